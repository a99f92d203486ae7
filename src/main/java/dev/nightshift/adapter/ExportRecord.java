package dev.nightshift.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * An export as a file: {@code nightshift.json} in the folder of one that is whole, so that both come with one rename; below
 * {@code .records} of one that is not.
 */
final class ExportRecord {
    static final String FILE = "nightshift.json";

    private static final int FORMAT = 1;
    private static final long BYTES_MAX = 4 << 20;
    private static final ObjectMapper JSON = new ObjectMapper();

    private ExportRecord() {}

    static byte[] json(Export export) throws IOException {
        ObjectNode json = JSON.createObjectNode();
        json.put("format", FORMAT);
        json.put("export", export.name());
        json.put("state", export.state().name());
        json.put("adapter", export.adapter());
        json.put("adapter_digest", export.adapterDigest());
        json.put("base", export.base());
        json.put("base_digest", export.baseDigest());
        json.put("weights", export.source().name());
        json.put("created", export.created().toString());
        export.finished().ifPresent(finished -> json.put("finished", finished.toString()));
        json.put("shards", export.progress().shards());
        json.put("shards_total", export.progress().shardsTotal());
        json.put("bytes", export.progress().bytes());
        json.put("bytes_total", export.progress().bytesTotal());
        export.files().forEach(json.putArray("files")::add);
        export.failure()
                .ifPresent(failure -> json.putObject("error")
                        .put("code", failure.code().name())
                        .put("message", failure.message()));
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(json);
    }

    /** Empty for what is no record of ours. */
    static Optional<Export> read(Path file) {
        try {
            if (!Files.isRegularFile(file) || Files.size(file) > BYTES_MAX) {
                return Optional.empty();
            }
            return Optional.of(export(JSON.readTree(Files.readAllBytes(file))));
        } catch (IOException | IllegalArgumentException | DateTimeException e) {
            System.getLogger(ExportRecord.class.getName())
                    .log(System.Logger.Level.WARNING, "{0} is no record of an export: {1}", file, e.getMessage());
            return Optional.empty();
        }
    }

    private static Export export(JsonNode json) {
        if (json.path("format").asInt() != FORMAT) {
            throw new IllegalArgumentException("format is %s, known is %d".formatted(json.path("format"), FORMAT));
        }
        List<String> files = new ArrayList<>();
        json.path("files").forEach(file -> files.add(file.asText()));
        JsonNode error = json.path("error");
        return new Export(
                json.path("export").asText(),
                ExportState.valueOf(json.path("state").asText()),
                json.path("adapter").asText(),
                json.path("adapter_digest").asText(),
                json.path("base").asText(),
                json.path("base_digest").asText(),
                MergeSource.valueOf(json.path("weights").asText()),
                Instant.parse(json.path("created").asText()),
                json.has("finished")
                        ? Optional.of(Instant.parse(json.path("finished").asText()))
                        : Optional.empty(),
                new Export.Progress(
                        json.path("shards").asInt(),
                        json.path("shards_total").asInt(),
                        json.path("bytes").asLong(),
                        json.path("bytes_total").asLong()),
                files,
                error.isObject()
                        ? Optional.of(new Export.Failure(
                                ErrorCode.valueOf(error.path("code").asText()),
                                error.path("message").asText()))
                        : Optional.empty());
    }
}
