package dev.nightshift.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * {@code nightshift.json} beside PEFT's files.
 *
 * @param digest of configuration and tensors
 */
record AdapterRecord(String digest, AdapterOrigin origin) {
    static final String FILE = "nightshift.json";

    private static final int FORMAT = 1;
    private static final long BYTES_MAX = 1 << 20;
    private static final ObjectMapper JSON = new ObjectMapper();

    void write(Path folder) throws IOException {
        ObjectNode json = JSON.createObjectNode();
        json.put("format", FORMAT);
        json.put("digest", digest);
        json.put("base", origin.base());
        json.put("base_digest", origin.baseDigest());
        json.put("job", origin.job());
        json.put("created", origin.created().toString());
        json.put("data", origin.data());
        ObjectNode evaluation = json.putObject("evaluation");
        new TreeMap<>(origin.evaluation()).forEach(evaluation::put);
        DurableFiles.write(
                folder.resolve(FILE), JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
    }

    /** The record of a folder, empty for a foreign one; throws INVALID_REQUEST if it can't be understood. */
    static Optional<AdapterRecord> read(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            if (Files.size(file) > BYTES_MAX) {
                throw bad("has %d bytes, at most %d".formatted(Files.size(file), BYTES_MAX));
            }
            JsonNode json = JSON.readTree(Files.readAllBytes(file));
            if (json.path("format").asInt() != FORMAT) {
                throw bad("format is %s, known is %d".formatted(json.path("format"), FORMAT));
            }
            String digest = json.path("digest").asText();
            if (!digest.matches("[0-9a-f]{64}")) {
                throw bad("digest is '%s', 64 hexadecimal digits are expected".formatted(digest));
            }
            Map<String, Double> evaluation = new LinkedHashMap<>();
            json.path("evaluation").properties().forEach(number -> {
                if (number.getValue().isNumber()) {
                    evaluation.put(number.getKey(), number.getValue().doubleValue());
                }
            });
            return Optional.of(new AdapterRecord(
                    digest,
                    new AdapterOrigin(
                            json.path("base").asText(""),
                            json.path("base_digest").asText(""),
                            json.path("job").asText(""),
                            Instant.parse(json.path("created").asText()),
                            json.path("data").asText(""),
                            evaluation)));
        } catch (DateTimeParseException e) {
            throw bad("created is '%s', a time is expected".formatted(e.getParsedString()));
        } catch (IOException e) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, FILE + " can't be read: " + e.getMessage(), e);
        }
    }

    private static ServingException bad(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, FILE + ": " + what);
    }
}
