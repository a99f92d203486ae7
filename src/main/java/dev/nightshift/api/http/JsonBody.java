package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;
import java.util.Locale;
import org.jboss.logging.Logger;

/** A JSON body, whatever name its sender gave it. */
final class JsonBody {
    private static final Logger LOG = Logger.getLogger(JsonBody.class);

    private JsonBody() {}

    /** An absent Content-Type counts as JSON, as small clients leave it out; another one is a 415. */
    static Fields fields(RoutingContext call) {
        String type = call.request().getHeader("Content-Type");
        if (type != null && !isJson(type)) {
            throw new ServingException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                    "Content-Type '" + type + "' is not supported; send application/json");
        }
        Buffer body = call.body().buffer();
        return new Fields(Json.parseObject(body == null ? new byte[0] : body.getBytes()), "");
    }

    /** Whether {@link EdgeRoutes} is to read the body whole, within the limit, before a resource runs. */
    static boolean isExpected(HttpServerRequest request) {
        String type = request.getHeader("Content-Type");
        return request.method().equals(HttpMethod.POST) && (type == null || isJson(type));
    }

    private static boolean isJson(String contentType) {
        String type = contentType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        return type.isEmpty() || type.equals("application/json") || type.equals("text/json") || type.endsWith("+json") && !type.startsWith("application/grpc");
    }

    /** Clients send private fields; they are passed over, and the log can tell. */
    static void logUnknown(Fields fields) {
        if (LOG.isDebugEnabled() && !fields.unknown().isEmpty()) {
            LOG.debugf("Unknown fields ignored: %s", fields.unknown());
        }
    }
}
