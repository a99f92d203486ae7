package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ServingException;
import java.util.Optional;

/**
 * How the answer is to be sent.
 *
 * @param includeUsage a last chunk without choices carries the usage, all others {@code usage: null}
 * @param continuousUsage every chunk carries the usage so far (vLLM)
 */
record StreamFields(boolean stream, boolean includeUsage, boolean continuousUsage) {

    static StreamFields read(Fields fields) {
        boolean stream = fields.bool("stream", false);
        Optional<ObjectNode> options = fields.object("stream_options");
        if (options.isPresent() && !stream) {
            throw ServingException.invalid("stream_options", "stream_options: only allowed when stream is true");
        }
        Fields inner = new Fields(options.orElseGet(Json::emptyObject), "stream_options");
        inner.accept("include_obfuscation");
        boolean includeUsage = inner.bool("include_usage", false);
        boolean continuous = inner.bool("continuous_usage_stats", false);
        return new StreamFields(stream, includeUsage, includeUsage && continuous);
    }
}
