package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;
import java.util.Locale;
import org.jboss.logging.Logger;

/** A JSON body, whatever name its sender gave it. */
final class JsonBody {
    private static final Logger LOG = Logger.getLogger(JsonBody.class);

    private JsonBody() {}

    /**
     * Reads a body to its end without a waiting thread. An absent Content-Type counts as JSON, as small clients leave it out;
     * another one is a 415. A body that turns out longer than the limit, or grows beyond it when it is unpacked, is a 413.
     */
    static Future<byte[]> read(RoutingContext call, long limit) {
        HttpServerRequest request = call.request();
        String type = request.getHeader("Content-Type");
        if (type != null && !isJson(type)) {
            return Future.failedFuture(new ServingException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                    "Content-Type '" + type + "' is not supported; send application/json"));
        }
        Promise<byte[]> whole = Promise.promise();
        Buffer body = Buffer.buffer();
        request.exceptionHandler(broken ->
                whole.tryFail(new ServingException(ErrorCode.CANCELLED, "The client closed the connection", broken)));
        request.handler(chunk -> {
            if (body.length() + (long) chunk.length() <= limit) {
                body.appendBuffer(chunk);
            } else {
                UnreadBody.drop(call);
                whole.tryFail(tooLarge("read so far", limit));
            }
        });
        request.endHandler(ended -> whole.tryComplete(body.getBytes()));
        if ("100-continue".equalsIgnoreCase(request.getHeader("Expect"))) {
            request.response().writeContinue();
        }
        request.resume();
        return whole.future();
    }

    static ServingException tooLarge(String size, long limit) {
        return new ServingException(
                ErrorCode.PAYLOAD_TOO_LARGE,
                "The body %s is larger than the limit of %d bytes (nightshift.body-limit)".formatted(size, limit));
    }

    private static boolean isJson(String contentType) {
        String type = contentType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        return type.isEmpty() || type.equals("application/json") || type.equals("text/json") || type.endsWith("+json");
    }

    /** Clients send private fields; they are passed over, and the log can tell. */
    static void logUnknown(Fields fields) {
        if (LOG.isDebugEnabled() && !fields.unknown().isEmpty()) {
            LOG.debugf("Unknown fields ignored: %s", fields.unknown());
        }
    }
}
