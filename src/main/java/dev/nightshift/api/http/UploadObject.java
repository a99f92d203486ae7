package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.files.StoredFile;
import dev.nightshift.files.Upload;

/** An upload as the API shows it; {@code file} once it is completed. */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record UploadObject(
        String id,
        String object,
        long bytes,
        @JsonProperty("created_at") long createdAt,
        String filename,
        String purpose,
        String status,
        @JsonProperty("expires_at") long expiresAt,
        FileObject file) {

    static UploadObject of(Upload upload, StoredFile file) {
        return new UploadObject(
                upload.id(),
                "upload",
                upload.bytes(),
                upload.createdAt().getEpochSecond(),
                upload.filename(),
                upload.purpose().wire(),
                upload.state().wire(),
                upload.expiresAt().getEpochSecond(),
                file == null ? null : FileObject.of(file));
    }

    /** A part that has arrived. */
    public record Part(
            String id,
            String object,
            @JsonProperty("created_at") long createdAt,
            @JsonProperty("upload_id") String uploadId) {

        static Part of(Upload.Part part) {
            return new Part(part.id(), "upload.part", part.createdAt().getEpochSecond(), part.uploadId());
        }
    }
}
