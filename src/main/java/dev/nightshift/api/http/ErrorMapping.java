package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.http.HttpServerRequest;
import jakarta.ws.rs.WebApplicationException;
import jakarta.ws.rs.core.Response;
import org.jboss.logging.Logger;
import org.jboss.resteasy.reactive.server.ServerExceptionMapper;

/** Everything that goes wrong in or before a resource becomes OpenAI's error object. */
public class ErrorMapping {
    private static final Logger LOG = Logger.getLogger(ErrorMapping.class);

    /** What a request or the world does wrong. */
    @ServerExceptionMapper
    public Response serving(ServingException failure, HttpServerRequest request) {
        if (failure.code().httpStatus() == 500) {
            LOG.errorf(failure.getCause(), "%s %s failed: %s", request.method(), request.path(), failure.getMessage());
        }
        return Answers.error(failure);
    }

    /** What the framework refuses before a resource is reached. */
    @ServerExceptionMapper
    public Response refused(WebApplicationException refusal, HttpServerRequest request) {
        int status = refusal.getResponse().getStatus();
        String call = request.method() + " " + request.path();
        ServingException failure = switch (status) {
            case 404 -> notFound(request);
            case 405 -> new ServingException(ErrorCode.METHOD_NOT_ALLOWED, "Not an allowed method: " + call);
            case 413 -> new ServingException(ErrorCode.PAYLOAD_TOO_LARGE, "The body is larger than the server's limit");
            case 415 ->
                new ServingException(
                        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                        "Content-Type '" + request.getHeader("Content-Type") + "' is not supported");
            default ->
                new ServingException(
                        status < 500 ? ErrorCode.INVALID_REQUEST : ErrorCode.INTERNAL,
                        call + ": " + refusal.getMessage(),
                        refusal);
        };
        Response answer = serving(failure, request);
        String allow = refusal.getResponse().getHeaderString("Allow");
        return allow == null
                ? answer
                : Response.fromResponse(answer).header("Allow", allow).build();
    }

    /** Our own mistakes: the client learns that it was not the request's fault, the log the rest. */
    @ServerExceptionMapper
    public Response mistake(RuntimeException mistake, HttpServerRequest request) {
        LOG.errorf(mistake, "%s %s failed", request.method(), request.path());
        return Answers.error(
                new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason", mistake));
    }

    static ServingException notFound(HttpServerRequest request) {
        return new ServingException(ErrorCode.NOT_FOUND, "Unknown route: " + request.method() + " " + request.path());
    }
}
