package dev.nightshift.api.http;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as this API reads and writes it: standard JSON only, finite numbers, whole characters, bounded nesting. */
final class Json {
    /** Deeper than any schema in use, and far from where recursion over the tree could hurt. */
    static final int NESTING_MAX = 200;

    private static final ObjectMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(NESTING_MAX)
                            // the body's limit bounds strings already
                            .maxStringLength(Integer.MAX_VALUE)
                            .build())
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .addModule(new Jdk8Module())
            .build();

    private Json() {}

    /** The request body as an object, or a 400 that says where it is none. */
    static ObjectNode parseObject(byte[] body) {
        if (body == null || body.length == 0) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "The request body is empty; a JSON object is expected");
        }
        JsonNode tree = parse(body);
        if (!(tree instanceof ObjectNode object)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "The request body must be a JSON object, not " + Fields.kindOf(tree));
        }
        check(object, "");
        return object;
    }

    private static JsonNode parse(byte[] body) {
        try {
            return MAPPER.readTree(body);
        } catch (JacksonException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "The request body is not valid JSON: " + reason(e), e);
        } catch (IOException e) {
            // malformed UTF-8 arrives as a CharConversionException
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "The request body is not valid JSON: " + e.getMessage(), e);
        }
    }

    private static String reason(JacksonException e) {
        String where = e.getLocation() == null
                ? ""
                : " (line " + e.getLocation().getLineNr() + ", column "
                        + e.getLocation().getColumnNr() + ")";
        return e.getOriginalMessage() + where;
    }

    /** Refuses what JSON's grammar lets through but no answer could contain: infinite numbers and halves of characters. */
    private static void check(JsonNode node, String path) {
        switch (node) {
            case ObjectNode object -> {
                for (Map.Entry<String, JsonNode> field : object.properties()) {
                    checkText(field.getKey(), path);
                    check(field.getValue(), path.isEmpty() ? field.getKey() : path + "." + field.getKey());
                }
            }
            case ArrayNode array -> {
                for (int i = 0; i < array.size(); i++) {
                    check(array.get(i), path + "[" + i + "]");
                }
            }
            case JsonNode leaf when leaf.isTextual() -> checkText(leaf.textValue(), path);
            case JsonNode leaf
            when leaf.isFloatingPointNumber() && !Double.isFinite(leaf.doubleValue()) ->
                throw ServingException.invalid(path, path + ": the number is too large for a 64-bit float");
            case JsonNode leaf -> {}
        }
    }

    private static void checkText(String text, String path) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            boolean pair = Character.isHighSurrogate(c)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1));
            if (!pair) {
                throw ServingException.invalid(
                        path.isEmpty() ? null : path,
                        "%s: lone surrogate \\u%04x at character %d; the text is not valid Unicode"
                                .formatted(path.isEmpty() ? "A field's name" : path, (int) c, i));
            }
            i++;
        }
    }

    /** The value as maps, lists, strings, numbers, booleans and null, in the client's key order. */
    static Object plain(JsonNode node) {
        return switch (node) {
            case ObjectNode object -> plainObject(object);
            case ArrayNode array -> {
                List<Object> list = new ArrayList<>(array.size());
                array.forEach(item -> list.add(plain(item)));
                yield list;
            }
            case JsonNode leaf when leaf.isTextual() -> leaf.textValue();
            case JsonNode leaf when leaf.isBoolean() -> leaf.booleanValue();
            case JsonNode leaf when leaf.isNumber() -> leaf.numberValue();
            case JsonNode leaf -> null;
        };
    }

    static ObjectNode emptyObject() {
        return MAPPER.createObjectNode();
    }

    static Map<String, Object> plainObject(ObjectNode object) {
        Map<String, Object> map = new LinkedHashMap<>();
        object.properties().forEach(field -> map.put(field.getKey(), plain(field.getValue())));
        return map;
    }

    /** A wire record as UTF-8 JSON. */
    static byte[] bytes(Object wire) {
        try {
            return MAPPER.writeValueAsBytes(wire);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write " + wire.getClass().getName(), e);
        }
    }
}
