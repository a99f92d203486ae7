package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.adapter.FolderDownload;
import dev.nightshift.proto.v1.Adapter;
import dev.nightshift.proto.v1.AdapterState;
import dev.nightshift.proto.v1.AdapterVersion;
import dev.nightshift.proto.v1.DownloadAdapterResponse;
import dev.nightshift.proto.v1.UploadAdapterRequest;
import java.io.IOException;
import java.io.OutputStream;

/** Adapters as messages. */
final class AdapterMessages {
    private AdapterMessages() {}

    /** @param parent the base model's name */
    static Adapter adapter(AdapterView view, String parent) {
        return Adapter.newBuilder()
                .setId(view.id())
                .setAlias(view.alias())
                .setPinned(view.pinned())
                .setParent(parent)
                .setVersion(version(view.version()))
                .build();
    }

    static AdapterVersion version(dev.nightshift.adapter.AdapterVersion version) {
        return AdapterVersion.newBuilder()
                .setName(version.name())
                .setNumber(version.number())
                .setDigest(version.digest())
                .setState(state(version.state()))
                .setReason(version.reason())
                .setRank(version.rank())
                .setBytes(version.bytes())
                .setResident(version.resident())
                .setLeases(version.leases())
                .setBase(version.origin().base())
                .setBaseDigest(version.origin().baseDigest())
                .setJob(version.origin().job())
                .setCreated(Timestamp.newBuilder()
                        .setSeconds(version.origin().created().getEpochSecond())
                        .setNanos(version.origin().created().getNano()))
                .setData(version.origin().data())
                .putAllEvaluation(version.origin().evaluation())
                .setForeign(version.foreign())
                .build();
    }

    private static AdapterState state(dev.nightshift.adapter.AdapterState state) {
        return switch (state) {
            case REGISTERED -> AdapterState.ADAPTER_STATE_REGISTERED;
            case LOADING -> AdapterState.ADAPTER_STATE_LOADING;
            case READY -> AdapterState.ADAPTER_STATE_READY;
            case FAILED -> AdapterState.ADAPTER_STATE_FAILED;
            case RETIRING -> AdapterState.ADAPTER_STATE_RETIRING;
        };
    }

    static UploadPipe.Part<String> part(UploadAdapterRequest message) {
        return switch (message.getPartCase()) {
            case NAME -> new UploadPipe.Part.Head<>(message.getName());
            case CHUNK -> new UploadPipe.Part.Chunk<>(message.getChunk());
            case PART_NOT_SET -> new UploadPipe.Part.Nothing<>();
        };
    }

    static DownloadAdapterResponse chunk(ByteString bytes) {
        return DownloadAdapterResponse.newBuilder().setChunk(bytes).build();
    }

    static DownloadStream.Content content(FolderDownload download) {
        return new DownloadStream.Content() {
            @Override
            public void writeTo(OutputStream out) throws IOException {
                download.writeTo(out);
            }

            @Override
            public void close() {
                download.close();
            }
        };
    }
}
