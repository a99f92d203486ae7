package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.files.FilePage;
import dev.nightshift.files.StoredFile;
import java.time.Instant;
import java.util.List;

/** A file as the API shows it; {@code status} is deprecated there and still required. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record FileObject(
        String id,
        String object,
        long bytes,
        @JsonProperty("created_at") long createdAt,
        @JsonProperty("expires_at") Long expiresAt,
        String filename,
        String purpose,
        String status) {

    static FileObject of(StoredFile file) {
        return new FileObject(
                file.id(),
                "file",
                file.bytes(),
                file.createdAt().getEpochSecond(),
                file.expiresAt().map(Instant::getEpochSecond).orElse(null),
                file.filename(),
                file.purpose().wire(),
                "processed");
    }

    /** A page of files. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Page(
            String object,
            List<FileObject> data,
            @JsonProperty("first_id") String firstId,
            @JsonProperty("last_id") String lastId,
            @JsonProperty("has_more") boolean hasMore) {

        static Page of(FilePage page) {
            List<FileObject> data = page.files().stream().map(FileObject::of).toList();
            return new Page(
                    "list",
                    data,
                    data.isEmpty() ? null : data.getFirst().id(),
                    data.isEmpty() ? null : data.getLast().id(),
                    page.hasMore());
        }
    }

    /** What is left of a deleted file. */
    public record Deleted(String id, String object, boolean deleted) {}
}
