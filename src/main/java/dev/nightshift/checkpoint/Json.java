package dev.nightshift.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/** Reading of the JSON files of a checkpoint: strict, no key twice. Python's NaN and Infinity are read as such. */
final class Json {
    static final ObjectMapper MAPPER = new ObjectMapper(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(64).build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private Json() {}

    /** The object in a file of the checkpoint. */
    static JsonNode object(String file, byte[] content) {
        try {
            JsonNode node = MAPPER.readTree(content);
            if (node != null && node.isObject()) {
                return node;
            }
            throw new ServingException(ErrorCode.INVALID_REQUEST, file + " holds no JSON object");
        } catch (IOException e) {
            String reason = e instanceof com.fasterxml.jackson.core.JsonProcessingException json
                    ? json.getOriginalMessage()
                    : e.getMessage();
            throw new ServingException(ErrorCode.INVALID_REQUEST, "%s is no valid JSON: %s".formatted(file, reason), e);
        }
    }

    static boolean present(JsonNode node, String key) {
        return node.hasNonNull(key);
    }

    static OptionalInt integer(JsonNode node, String key) {
        return node.path(key).isIntegralNumber() && node.path(key).canConvertToInt()
                ? OptionalInt.of(node.path(key).intValue())
                : OptionalInt.empty();
    }

    static OptionalDouble number(JsonNode node, String key) {
        return node.path(key).isNumber() ? OptionalDouble.of(node.path(key).doubleValue()) : OptionalDouble.empty();
    }
}
