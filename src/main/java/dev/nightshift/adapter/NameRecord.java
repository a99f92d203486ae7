package dev.nightshift.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * What a name was told to mean.
 *
 * @param target an adapter's name or {@code name@number}; empty = the name's own newest version
 * @param newest the name's own newest version when this was written: a newer one takes the name back
 * @param highest largest number a version of the name ever had, so that none is given twice
 * @param history what the name meant before, oldest first
 */
record NameRecord(String name, String target, int newest, int highest, List<String> history) {
    private static final int HISTORY_MAX = 32;
    private static final ObjectMapper JSON = new ObjectMapper();

    NameRecord {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(target, "target is null");
        history = List.copyOf(history.subList(Math.max(0, history.size() - HISTORY_MAX), history.size()));
    }

    static NameRecord none(String name) {
        return new NameRecord(name, "", 0, 0, List.of());
    }

    /** Another target; {@code before} is remembered unless it is empty. */
    NameRecord to(String newTarget, int newestNow, String before) {
        List<String> longer = new ArrayList<>(history);
        if (!before.isEmpty()) {
            longer.add(before);
        }
        return new NameRecord(name, newTarget, newestNow, Math.max(highest, newestNow), longer);
    }

    /** Back to an earlier target, with what was remembered before that. */
    NameRecord back(String earlier, int newestNow, List<String> rest) {
        return new NameRecord(name, earlier, newestNow, Math.max(highest, newestNow), rest);
    }

    /** Names may hold any character, files may not. */
    static Path file(Path folder, String name) {
        StringBuilder safe = new StringBuilder();
        for (char c : name.toCharArray()) {
            boolean plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
            safe.append(plain ? String.valueOf(c) : "%%%02X".formatted((int) c));
        }
        return folder.resolve(safe + ".json");
    }

    void write(Path folder) throws IOException {
        ObjectNode json = JSON.createObjectNode();
        json.put("name", name);
        json.put("target", target);
        json.put("newest", newest);
        json.put("highest", highest);
        ArrayNode list = json.putArray("history");
        history.forEach(list::add);
        DurableFiles.write(file(folder, name), JSON.writeValueAsBytes(json));
    }

    /** All records of a folder; one that can't be read is an error, as names would mean something else without it. */
    static List<NameRecord> readAll(Path folder) throws IOException {
        List<NameRecord> records = new ArrayList<>();
        if (!Files.isDirectory(folder)) {
            return records;
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(each -> each.getFileName().toString().endsWith(".json")
                            && !each.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList()) {
                JsonNode json = JSON.readTree(Files.readAllBytes(file));
                List<String> history = new ArrayList<>();
                json.path("history").forEach(each -> history.add(each.asText()));
                records.add(new NameRecord(
                        json.path("name").asText(),
                        json.path("target").asText(),
                        json.path("newest").asInt(),
                        json.path("highest").asInt(),
                        history));
            }
        }
        return records;
    }
}
