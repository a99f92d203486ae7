package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.adapter.Export;
import dev.nightshift.adapter.ExportPage;
import dev.nightshift.adapter.ExportState;
import java.time.Instant;
import java.util.List;
import java.util.Locale;

/**
 * A merged model.
 *
 * @param id its name
 * @param status queued, running, succeeded or failed
 * @param model the adapter version in its weights
 * @param adapterDigest null before the adapter was read
 * @param weights served or stored: what the adapter was merged into
 * @param files null before it is whole; bytes (of the tensors) alike
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ExportCard(
        String id,
        String object,
        String status,
        String model,
        @JsonProperty("adapter_digest") String adapterDigest,
        String base,
        @JsonProperty("base_digest") String baseDigest,
        String weights,
        @JsonProperty("created_at") long createdAt,
        @JsonProperty("finished_at") Long finishedAt,
        Progress progress,
        List<String> files,
        Long bytes,
        Error error) {

    /** What is written so far; the total of bytes is an estimate until the export is whole. */
    public record Progress(
            int shards,
            @JsonProperty("shards_total") int shardsTotal,
            long bytes,
            @JsonProperty("bytes_total") long bytesTotal) {}

    /** Why it failed. */
    public record Error(String code, String message) {}

    static ExportCard of(Export export) {
        boolean whole = export.state() == ExportState.SUCCEEDED;
        Export.Progress far = export.progress();
        return new ExportCard(
                export.name(),
                "export",
                export.state().name().toLowerCase(Locale.ROOT),
                export.adapter(),
                export.adapterDigest().isEmpty() ? null : export.adapterDigest(),
                export.base(),
                export.baseDigest(),
                export.source().name().toLowerCase(Locale.ROOT),
                export.created().getEpochSecond(),
                export.finished().map(Instant::getEpochSecond).orElse(null),
                new Progress(far.shards(), far.shardsTotal(), far.bytes(), far.bytesTotal()),
                whole ? export.files() : null,
                whole ? far.bytes() : null,
                export.failure()
                        .map(failure -> new Error(failure.code().name().toLowerCase(Locale.ROOT), failure.message()))
                        .orElse(null));
    }

    /** Some of them. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Page(
            String object,
            List<ExportCard> data,
            @JsonProperty("first_id") String firstId,
            @JsonProperty("last_id") String lastId,
            @JsonProperty("has_more") boolean hasMore) {

        static Page of(ExportPage page) {
            List<ExportCard> data = page.exports().stream().map(ExportCard::of).toList();
            return new Page(
                    "list",
                    data,
                    data.isEmpty() ? null : data.getFirst().id(),
                    data.isEmpty() ? null : data.getLast().id(),
                    page.hasMore());
        }
    }

    /** What is gone. */
    public record Deleted(String id, String object, boolean deleted) {}
}
