package dev.nightshift.api.grpc;

import com.google.protobuf.Timestamp;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import dev.nightshift.proto.v1.File;
import dev.nightshift.proto.v1.UploadFileRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** Files as messages. */
final class FileMessages {
    private FileMessages() {}

    static File file(StoredFile file) {
        File.Builder message = File.newBuilder()
                .setId(file.id())
                .setFilename(file.filename())
                .setPurpose(file.purpose().wire())
                .setBytes(file.bytes())
                .setCreated(time(file.createdAt()));
        file.expiresAt().ifPresent(expires -> message.setExpires(time(expires)));
        return message.build();
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }

    static UploadPipe.Part<dev.nightshift.proto.v1.NewFile> part(UploadFileRequest message) {
        return switch (message.getPartCase()) {
            case FILE -> new UploadPipe.Part.Head<>(message.getFile());
            case CHUNK -> new UploadPipe.Part.Chunk<>(message.getChunk());
            case PART_NOT_SET -> new UploadPipe.Part.Nothing<>();
        };
    }

    /** Checks what is to be uploaded. */
    static NewFile newFile(dev.nightshift.proto.v1.NewFile given) {
        Optional<Duration> life = given.hasExpiresAfter()
                ? Optional.of(Duration.ofSeconds(
                        given.getExpiresAfter().getSeconds(),
                        given.getExpiresAfter().getNanos()))
                : Optional.empty();
        return new NewFile(given.getFilename(), Purpose.ofUpload(given.getPurpose()), life);
    }
}
