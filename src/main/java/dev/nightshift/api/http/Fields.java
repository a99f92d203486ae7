package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * The fields of one request object, read by name. An explicit null is an absent field; a value of the wrong type or out of
 * range is a 400 that names the field's path.
 */
final class Fields {
    private final ObjectNode object;
    private final String path;
    private final Set<String> asked = new HashSet<>();

    Fields(ObjectNode object, String path) {
        this.object = object;
        this.path = path;
    }

    /** The full name of a field, as errors give it in {@code param}. */
    String pathOf(String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    /** The whole object as maps, lists and plain values. */
    Map<String, Object> plain() {
        return Json.plainObject(object);
    }

    Optional<JsonNode> value(String name) {
        asked.add(name);
        JsonNode value = object.get(name);
        return value == null || value.isNull() ? Optional.empty() : Optional.of(value);
    }

    boolean has(String name) {
        return value(name).isPresent();
    }

    Optional<String> string(String name) {
        return value(name).map(value -> asString(value, pathOf(name)));
    }

    String requiredString(String name) {
        return string(name).orElseThrow(() -> missing(name));
    }

    Optional<Boolean> bool(String name) {
        return value(name).map(value -> {
            if (!value.isBoolean()) {
                throw wrongType(pathOf(name), "a boolean", value);
            }
            return value.booleanValue();
        });
    }

    boolean bool(String name, boolean absent) {
        return bool(name).orElse(absent);
    }

    Optional<Float> number(String name, double min, double max) {
        return value(name).map(value -> asNumber(value, pathOf(name), min, max));
    }

    Optional<Integer> integer(String name, long min, long max) {
        return whole(name, min, max).map(Math::toIntExact);
    }

    Optional<Long> whole(String name, long min, long max) {
        return value(name).map(value -> asWhole(value, pathOf(name), min, max));
    }

    Optional<ObjectNode> object(String name) {
        return value(name).map(value -> asObject(value, pathOf(name)));
    }

    Optional<ArrayNode> array(String name) {
        return value(name).map(value -> asArray(value, pathOf(name)));
    }

    /** The items of an array, each read with its own path. */
    <T> Optional<List<T>> list(String name, BiFunction<JsonNode, String, T> read) {
        return array(name).map(array -> {
            List<T> items = new ArrayList<>(array.size());
            for (int i = 0; i < array.size(); i++) {
                items.add(read.apply(array.get(i), pathOf(name) + "[" + i + "]"));
            }
            return items;
        });
    }

    /** Names that the client sent and nobody read. */
    List<String> unknown() {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(name -> {
            if (!asked.contains(name)) {
                names.add(name);
            }
        });
        return names;
    }

    /** Marks fields as known although they change nothing. */
    void accept(String... names) {
        asked.addAll(List.of(names));
    }

    /** Refuses a field that this server cannot honour, unless it is absent. */
    void refuse(String name, String why) {
        if (has(name)) {
            throw ServingException.invalid(pathOf(name), pathOf(name) + ": " + why);
        }
    }

    ServingException missing(String name) {
        return ServingException.invalid(pathOf(name), pathOf(name) + ": the field is required");
    }

    static String asString(JsonNode value, String at) {
        if (!value.isTextual()) {
            throw wrongType(at, "a string", value);
        }
        return value.textValue();
    }

    static ObjectNode asObject(JsonNode value, String at) {
        if (!(value instanceof ObjectNode object)) {
            throw wrongType(at, "an object", value);
        }
        return object;
    }

    static ArrayNode asArray(JsonNode value, String at) {
        if (!(value instanceof ArrayNode array)) {
            throw wrongType(at, "an array", value);
        }
        return array;
    }

    static float asNumber(JsonNode value, String at, double min, double max) {
        if (!value.isNumber()) {
            throw wrongType(at, "a number", value);
        }
        double number = value.doubleValue();
        if (!(number >= min && number <= max)) {
            throw ServingException.invalid(at, "%s: %s is not %s".formatted(at, value.asText(), range(min, max)));
        }
        return (float) number;
    }

    static long asWhole(JsonNode value, String at, long min, long max) {
        boolean whole = value.isIntegralNumber()
                || value.isFloatingPointNumber() && value.doubleValue() == Math.rint(value.doubleValue());
        if (!whole) {
            throw wrongType(at, "an integer", value);
        }
        boolean fits = value.isIntegralNumber() ? value.canConvertToLong() : Math.abs(value.doubleValue()) < 1L << 53;
        long number = value.longValue();
        if (!fits || number < min || number > max) {
            throw ServingException.invalid(at, "%s: %s is not %s".formatted(at, value.asText(), range(min, max)));
        }
        return number;
    }

    static ServingException wrongType(String at, String expected, JsonNode value) {
        return ServingException.invalid(at, at + ": expected " + expected + ", got " + kindOf(value));
    }

    static String kindOf(JsonNode value) {
        return switch (value.getNodeType()) {
            case STRING -> "a string";
            case NUMBER -> "the number " + value.asText();
            case BOOLEAN -> "a boolean";
            case NULL -> "null";
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case MISSING -> "nothing";
            case BINARY, POJO -> value.getNodeType().name();
        };
    }

    private static String range(double min, double max) {
        String low = show(min);
        String high = show(max);
        if (Double.isInfinite(max) || max == Long.MAX_VALUE || max == Integer.MAX_VALUE) {
            return "at least " + low;
        }
        return "between " + low + " and " + high;
    }

    private static String show(double bound) {
        return bound == Math.rint(bound) && Math.abs(bound) < 1e15
                ? Long.toString((long) bound)
                : Double.toString(bound);
    }
}
