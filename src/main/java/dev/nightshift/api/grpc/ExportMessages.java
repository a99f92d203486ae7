package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.DownloadExportResponse;
import dev.nightshift.proto.v1.Export;
import dev.nightshift.proto.v1.ExportState;
import dev.nightshift.proto.v1.MergeAdapterResponse;
import dev.nightshift.proto.v1.MergeSource;
import java.time.Instant;
import java.util.concurrent.CompletionException;

/** Merged models as messages. */
final class ExportMessages {
    private ExportMessages() {}

    static dev.nightshift.adapter.MergeSource source(MergeSource source, int value) {
        return switch (source) {
            case MERGE_SOURCE_UNSPECIFIED, MERGE_SOURCE_SERVED -> dev.nightshift.adapter.MergeSource.SERVED;
            case MERGE_SOURCE_STORED -> dev.nightshift.adapter.MergeSource.STORED;
            case UNRECOGNIZED -> throw ServingException.invalid("source", "source: %d is unknown".formatted(value));
        };
    }

    /** What a merge ended with. */
    static MergeAdapterResponse merged(dev.nightshift.adapter.Export export, Throwable failure) {
        if (failure != null) {
            Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
            throw cause instanceof ServingException known ? known : new IllegalStateException(cause);
        }
        return MergeAdapterResponse.newBuilder()
                .setExport(export.name())
                .addAllFiles(export.files())
                .setBytes(export.progress().bytes())
                .build();
    }

    static Export export(dev.nightshift.adapter.Export export) {
        Export.Builder message = Export.newBuilder()
                .setName(export.name())
                .setState(state(export.state()))
                .setModel(export.adapter())
                .setAdapterDigest(export.adapterDigest())
                .setBase(export.base())
                .setBaseDigest(export.baseDigest())
                .setSource(
                        switch (export.source()) {
                            case SERVED -> MergeSource.MERGE_SOURCE_SERVED;
                            case STORED -> MergeSource.MERGE_SOURCE_STORED;
                        })
                .setCreated(time(export.created()))
                .setShards(export.progress().shards())
                .setShardsTotal(export.progress().shardsTotal())
                .setBytes(export.progress().bytes())
                .setBytesTotal(export.progress().bytesTotal())
                .addAllFiles(export.files());
        export.finished().ifPresent(finished -> message.setFinished(time(finished)));
        export.failure().ifPresent(failure -> message.setError(failure.message()));
        return message.build();
    }

    private static ExportState state(dev.nightshift.adapter.ExportState state) {
        return switch (state) {
            case QUEUED -> ExportState.EXPORT_STATE_QUEUED;
            case RUNNING -> ExportState.EXPORT_STATE_RUNNING;
            case SUCCEEDED -> ExportState.EXPORT_STATE_SUCCEEDED;
            case FAILED -> ExportState.EXPORT_STATE_FAILED;
        };
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }

    static DownloadExportResponse chunk(ByteString bytes) {
        return DownloadExportResponse.newBuilder().setChunk(bytes).build();
    }
}
