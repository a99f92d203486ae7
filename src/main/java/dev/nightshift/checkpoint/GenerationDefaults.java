package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * {@code generation_config.json}: where generation ends and how a model wants to be sampled. Ids that it lacks come from
 * {@code config.json}.
 *
 * @param eosIds every id that ends a text; may be empty
 */
public record GenerationDefaults(
        List<Integer> eosIds,
        OptionalInt bosId,
        OptionalInt padId,
        OptionalDouble temperature,
        OptionalDouble topP,
        OptionalInt topK,
        OptionalDouble minP,
        OptionalDouble repetitionPenalty) {
    /** Nothing known, no end. */
    public static final GenerationDefaults NONE = new GenerationDefaults(
            List.of(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalInt.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty());

    public GenerationDefaults {
        eosIds = List.copyOf(eosIds);
    }

    static GenerationDefaults read(ModelFiles files, JsonNode config) {
        String name = "generation_config.json";
        JsonNode generation = files.read(name)
                .map(content -> Json.object(name, content))
                .orElseGet(JsonNodeFactory.instance::objectNode);
        return new GenerationDefaults(
                ids(either(generation, config, "eos_token_id")),
                id(either(generation, config, "bos_token_id")),
                id(either(generation, config, "pad_token_id")),
                Json.number(generation, "temperature"),
                Json.number(generation, "top_p"),
                Json.integer(generation, "top_k"),
                Json.number(generation, "min_p"),
                Json.number(generation, "repetition_penalty"));
    }

    private static JsonNode either(JsonNode generation, JsonNode config, String key) {
        return Json.present(generation, key) ? generation.get(key) : config.path(key);
    }

    private static List<Integer> ids(JsonNode node) {
        List<Integer> ids = new ArrayList<>();
        if (node.isArray()) {
            node.forEach(entry -> ids.add(checked(entry)));
        } else if (node.isValueNode() && !node.isNull()) {
            ids.add(checked(node));
        }
        return ids.stream().distinct().toList();
    }

    private static int checked(JsonNode node) {
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "eos_token_id %s is no token id".formatted(node));
        }
        return node.intValue();
    }

    private static OptionalInt id(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToInt()
                ? OptionalInt.of(node.intValue())
                : OptionalInt.empty();
    }
}
