package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** The tensors of a model by name, from one safetensors file or from the shards that an index names. */
final class TensorFiles {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private final String place;
    private final List<String> paths;
    private final Map<String, StoredTensor> tensors = new TreeMap<>();

    private TensorFiles(String place, List<String> paths) {
        this.place = place;
        this.paths = paths;
    }

    /** Opens the single file if there is one, else the shards; mappings live as long as {@code arena}. */
    static TensorFiles open(ModelFiles files, Arena arena) {
        List<String> present = files.list("");
        if (present.contains(SINGLE)) {
            TensorFiles result = new TensorFiles(files.place(), List.of(SINGLE));
            result.tensors.putAll(files.open(SINGLE, arena).tensors());
            return result;
        }
        if (!present.contains(INDEX)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "%s has neither %s nor %s".formatted(files.place(), SINGLE, INDEX));
        }
        JsonNode map = Json.object(INDEX, files.read(INDEX).orElseThrow()).path("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, INDEX + " has no weight_map");
        }
        return openShards(files, map, present, arena);
    }

    private static TensorFiles openShards(ModelFiles files, JsonNode map, List<String> present, Arena arena) {
        TreeSet<String> shards = new TreeSet<>();
        map.forEach(shard -> shards.add(shard.asText()));
        TensorFiles result = new TensorFiles(files.place(), List.copyOf(shards));
        Map<String, SafetensorsFile> opened = new LinkedHashMap<>();
        for (String shard : shards) {
            if (!present.contains(shard)) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "%s: shard %s, named by %s, is missing".formatted(files.place(), shard, INDEX));
            }
            opened.put(shard, files.open(shard, arena));
        }
        map.properties().forEach(entry -> {
            String shard = entry.getValue().asText();
            StoredTensor tensor = opened.get(shard)
                    .find(entry.getKey())
                    .orElseThrow(() -> new ServingException(
                            ErrorCode.INVALID_REQUEST,
                            "%s: tensor %s is missing in shard %s".formatted(files.place(), entry.getKey(), shard)));
            result.tensors.put(entry.getKey(), tensor);
        });
        return result;
    }

    /** The files they lie in. */
    List<String> paths() {
        return paths;
    }

    /** All tensors, sorted by name. */
    Map<String, StoredTensor> all() {
        return tensors;
    }

    Optional<StoredTensor> find(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    StoredTensor require(String name) {
        return find(name)
                .orElseThrow(() -> new ServingException(
                        ErrorCode.INVALID_REQUEST, "%s: tensor %s is missing".formatted(place, name)));
    }
}
