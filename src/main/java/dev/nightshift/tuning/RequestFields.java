package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;

/** Typed reading of a decoded JSON object. An explicit null counts as absent; a wrong value is refused with its path. */
final class RequestFields {
    private static final String AUTO = "auto";

    private final Map<?, ?> object;
    private final String path;
    private final Set<String> read = new LinkedHashSet<>();

    RequestFields(Map<?, ?> object, String path) {
        this.object = object;
        this.path = path;
    }

    private Object value(String key) {
        read.add(key);
        return object.get(key);
    }

    String name(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    ServingException bad(String key, String what) {
        return ServingException.invalid(name(key), name(key) + ": " + what);
    }

    boolean has(String key) {
        return value(key) != null;
    }

    Optional<String> string(String key) {
        return switch (value(key)) {
            case null -> Optional.empty();
            case String text -> Optional.of(text);
            case Object other -> throw bad(key, "a string is expected, got " + other);
        };
    }

    String required(String key) {
        return string(key).filter(text -> !text.isBlank()).orElseThrow(() -> bad(key, "this field is required"));
    }

    boolean bool(String key, boolean absent) {
        return switch (value(key)) {
            case null -> absent;
            case Boolean flag -> flag;
            case Object other -> throw bad(key, "true or false is expected, got " + other);
        };
    }

    OptionalInt integer(String key, int min, int max) {
        return switch (value(key)) {
            case null -> OptionalInt.empty();
            case Number n
            when n.doubleValue() == Math.rint(n.doubleValue()) && n.doubleValue() >= min && n.doubleValue() <= max ->
                OptionalInt.of(n.intValue());
            case Object other ->
                throw bad(key, "a whole number from %d to %d is expected, got %s".formatted(min, max, other));
        };
    }

    /** @param aboveMin whether {@code min} itself is refused */
    OptionalDouble number(String key, double min, boolean aboveMin, double max) {
        return switch (value(key)) {
            case null -> OptionalDouble.empty();
            case Number n
            when (aboveMin ? n.doubleValue() > min : n.doubleValue() >= min) && n.doubleValue() <= max ->
                OptionalDouble.of(n.doubleValue());
            case Object other ->
                throw bad(
                        key,
                        "a number %s %s and at most %s is expected, got %s"
                                .formatted(aboveMin ? "above" : "of at least", min, max, other));
        };
    }

    OptionalInt autoInteger(String key, int min, int max) {
        return AUTO.equals(value(key)) ? OptionalInt.empty() : integer(key, min, max);
    }

    OptionalDouble autoNumber(String key, double max) {
        return AUTO.equals(value(key)) ? OptionalDouble.empty() : number(key, 0, true, max);
    }

    <E extends Enum<E>> Optional<E> choice(String key, Class<E> of) {
        return string(key).map(text -> {
            for (E constant : of.getEnumConstants()) {
                if (wire(constant).equals(text)) {
                    return constant;
                }
            }
            List<String> known = new ArrayList<>();
            for (E constant : of.getEnumConstants()) {
                known.add(wire(constant));
            }
            throw bad(key, "'%s' is not one of %s".formatted(text, known));
        });
    }

    private static String wire(Enum<?> constant) {
        return constant.name().toLowerCase(java.util.Locale.ROOT);
    }

    List<?> list(String key) {
        return switch (value(key)) {
            case null -> List.of();
            case List<?> items -> items;
            case Object other -> throw bad(key, "a list is expected, got " + other);
        };
    }

    /** The object under a key; without one, an empty object. */
    RequestFields object(String key) {
        return switch (value(key)) {
            case null -> new RequestFields(Map.of(), name(key));
            case Map<?, ?> map -> new RequestFields(map, name(key));
            case Object other -> throw bad(key, "an object is expected, got " + other);
        };
    }

    Map<?, ?> map() {
        return object;
    }

    /** Refuses keys that nobody has read. */
    void refuseUnknown() {
        for (Object key : object.keySet()) {
            if (!read.contains(key)) {
                throw bad(key.toString(), "unknown key; known are " + read);
            }
        }
    }
}
