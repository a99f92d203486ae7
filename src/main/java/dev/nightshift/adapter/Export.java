package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A merged model: what it is made of and how far it is.
 *
 * @param name of its folder in the folder of exports
 * @param adapter the version in its weights
 * @param adapterDigest empty before the adapter was read
 * @param base the base model's name
 * @param source the weights that it was merged into
 * @param files beside each other in the folder; empty before it is whole
 */
public record Export(
        String name,
        ExportState state,
        String adapter,
        String adapterDigest,
        String base,
        String baseDigest,
        MergeSource source,
        Instant created,
        Optional<Instant> finished,
        Progress progress,
        List<String> files,
        Optional<Failure> failure) {
    public Export {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(state, "state is null");
        Objects.requireNonNull(source, "source is null");
        Objects.requireNonNull(created, "created is null");
        files = List.copyOf(files);
    }

    /**
     * What is written so far.
     *
     * @param shards files with tensors
     * @param bytes of tensors
     * @param bytesTotal an estimate until the export is whole
     */
    public record Progress(int shards, int shardsTotal, long bytes, long bytesTotal) {
        static final Progress NONE = new Progress(0, 0, 0, 0);
    }

    /** Why there is nothing. */
    public record Failure(ErrorCode code, String message) {}

    Export running(String digest, Progress far) {
        return new Export(
                name,
                ExportState.RUNNING,
                adapter,
                digest,
                base,
                baseDigest,
                source,
                created,
                finished,
                far,
                files,
                failure);
    }

    Export succeeded(List<String> written, Progress whole, Instant now) {
        return new Export(
                name,
                ExportState.SUCCEEDED,
                adapter,
                adapterDigest,
                base,
                baseDigest,
                source,
                created,
                Optional.of(now),
                whole,
                written,
                Optional.empty());
    }

    Export failed(ErrorCode code, String message, Instant now) {
        return new Export(
                name,
                ExportState.FAILED,
                adapter,
                adapterDigest,
                base,
                baseDigest,
                source,
                created,
                Optional.of(now),
                progress,
                List.of(),
                Optional.of(new Failure(code, message)));
    }
}
