package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.http.HttpServerRequest;
import java.util.Locale;
import org.jboss.logging.Logger;

/** A JSON body, whatever name its sender gave it. */
final class JsonBody {
    private static final Logger LOG = Logger.getLogger(JsonBody.class);

    private JsonBody() {}

    /** An absent Content-Type counts as JSON, as small clients leave it out; another one is a 415. */
    static Fields fields(HttpServerRequest request, byte[] body) {
        String type = request.getHeader("Content-Type");
        if (type != null && !isJson(type)) {
            throw new ServingException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                    "Content-Type '" + type + "' is not supported; send application/json");
        }
        ObjectNode object = Json.parseObject(body);
        return new Fields(object, "");
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
