package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.ByteString;
import dev.nightshift.TestSettings;
import dev.nightshift.api.OpenFiles;
import dev.nightshift.api.http.TinyAdapter;
import dev.nightshift.proto.v1.Adapter;
import dev.nightshift.proto.v1.AdapterPart;
import dev.nightshift.proto.v1.AdapterServiceGrpc;
import dev.nightshift.proto.v1.AdapterState;
import dev.nightshift.proto.v1.AdapterVersion;
import dev.nightshift.proto.v1.ComposeAdaptersRequest;
import dev.nightshift.proto.v1.CreateExportRequest;
import dev.nightshift.proto.v1.DeleteAdapterRequest;
import dev.nightshift.proto.v1.DeleteExportRequest;
import dev.nightshift.proto.v1.DownloadAdapterRequest;
import dev.nightshift.proto.v1.DownloadAdapterResponse;
import dev.nightshift.proto.v1.DownloadExportRequest;
import dev.nightshift.proto.v1.DownloadExportResponse;
import dev.nightshift.proto.v1.Export;
import dev.nightshift.proto.v1.ExportState;
import dev.nightshift.proto.v1.GetAdapterRequest;
import dev.nightshift.proto.v1.GetExportRequest;
import dev.nightshift.proto.v1.GetModelRequest;
import dev.nightshift.proto.v1.ListAdapterVersionsRequest;
import dev.nightshift.proto.v1.ListAdaptersRequest;
import dev.nightshift.proto.v1.ListExportsRequest;
import dev.nightshift.proto.v1.LoadAdapterRequest;
import dev.nightshift.proto.v1.MergeAdapterRequest;
import dev.nightshift.proto.v1.MergeAdapterResponse;
import dev.nightshift.proto.v1.MergeSource;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import dev.nightshift.proto.v1.ReduceAdapterRequest;
import dev.nightshift.proto.v1.RollbackAdapterRequest;
import dev.nightshift.proto.v1.SetAdapterAliasRequest;
import dev.nightshift.proto.v1.UnloadAdapterRequest;
import dev.nightshift.proto.v1.UploadAdapterRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Adapters as grpc-java's own stubs see them. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class AdapterGrpcTest {
    private static final int PIECE_BYTES = 5000;
    /** Bytes of a download's message. */
    private static final int CHUNK = 1 << 18;
    /** Bytes that the client's connection takes without anybody reading. */
    private static final int WINDOW = 1 << 20;

    private static final Duration SOON = Duration.ofSeconds(20);

    @TestHTTPResource
    URI server;

    private ManagedChannel channel;
    private AdapterServiceGrpc.AdapterServiceBlockingStub adapters;

    @BeforeEach
    void connect() {
        channel = NettyChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .build();
        adapters = AdapterServiceGrpc.newBlockingStub(channel);
    }

    @AfterEach
    void disconnect() {
        channel.shutdownNow();
    }

    private static UploadAdapterRequest name(String name) {
        return UploadAdapterRequest.newBuilder().setName(name).build();
    }

    private static UploadAdapterRequest chunk(byte[] bytes, int from, int to) {
        return UploadAdapterRequest.newBuilder()
                .setChunk(ByteString.copyFrom(bytes, from, to - from))
                .build();
    }

    /** Sends messages, then the end. */
    private CompletableFuture<AdapterVersion> send(List<UploadAdapterRequest> messages) {
        CompletableFuture<AdapterVersion> answer = new CompletableFuture<>();
        StreamObserver<UploadAdapterRequest> upload = AdapterServiceGrpc.newStub(channel)
                .uploadAdapter(new StreamObserver<>() {
                    @Override
                    public void onNext(AdapterVersion version) {
                        answer.complete(version);
                    }

                    @Override
                    public void onError(Throwable failure) {
                        answer.completeExceptionally(failure);
                    }

                    @Override
                    public void onCompleted() {
                        answer.completeExceptionally(new IllegalStateException("no answer"));
                    }
                });
        messages.forEach(upload::onNext);
        upload.onCompleted();
        return answer;
    }

    private AdapterVersion upload(String name, byte[] tar) throws Exception {
        List<UploadAdapterRequest> messages = new ArrayList<>();
        messages.add(name(name));
        for (int at = 0; at < tar.length; at += PIECE_BYTES) {
            messages.add(chunk(tar, at, Math.min(tar.length, at + PIECE_BYTES)));
        }
        return send(messages).get(20, TimeUnit.SECONDS);
    }

    private static Status.Code refused(Runnable call) {
        StatusRuntimeException status = catchThrowableOfType(StatusRuntimeException.class, call::run);
        assertThat(status).as("no failure").isNotNull();
        return status.getStatus().getCode();
    }

    private Status refusedUpload(List<UploadAdapterRequest> messages) throws InterruptedException, TimeoutException {
        try {
            send(messages).get(20, TimeUnit.SECONDS);
            throw new AssertionError("not refused");
        } catch (ExecutionException e) {
            return Status.fromThrowable(e.getCause());
        }
    }

    @Test
    void whatIsUploadedInPiecesComesBackInPieces() throws Exception {
        AdapterVersion version = upload("wired", TinyAdapter.of(4, 51).tar());
        assertThat(version.getName()).isEqualTo("wired");
        assertThat(version.getState()).isEqualTo(AdapterState.ADAPTER_STATE_READY);
        assertThat(version.getRank()).isEqualTo(4);
        ByteString tar = ByteString.EMPTY;
        Iterator<DownloadAdapterResponse> pieces = adapters.downloadAdapter(
                DownloadAdapterRequest.newBuilder().setName("wired@1").build());
        while (pieces.hasNext()) {
            tar = tar.concat(pieces.next().getChunk());
        }
        assertThat(upload("wired-copy", tar.toByteArray()).getDigest()).isEqualTo(version.getDigest());
        assertThat(ModelServiceGrpc.newBlockingStub(channel)
                        .getModel(GetModelRequest.newBuilder().setName("wired").build())
                        .getRoot())
                .isEqualTo("wired@1");
    }

    private Stubborn<DownloadAdapterRequest, DownloadAdapterResponse> stubborn(AtomicLong bytes) {
        Stubborn<DownloadAdapterRequest, DownloadAdapterResponse> reader =
                Stubborn.counting(bytes, message -> message.getChunk().size());
        AdapterServiceGrpc.newStub(channel)
                .downloadAdapter(
                        DownloadAdapterRequest.newBuilder()
                                .setName("unread-by-grpc")
                                .build(),
                        reader);
        return reader;
    }

    @Test
    void aReaderThatTakesNothingLeavesTheAdapterOnDisk() throws Exception {
        OpenFiles.assumeTold();
        TinyAdapter adapter = TinyAdapter.withHead(64, 55);
        upload("unread-by-grpc", adapter.tar());
        Predicate<Path> weights =
                open -> open.toString().contains("/unread-by-grpc/") && open.endsWith("adapter_model.safetensors");
        AtomicLong bytes = new AtomicLong();
        Stubborn<DownloadAdapterRequest, DownloadAdapterResponse> reader = stubborn(bytes);
        assertThat(reader.awaitFirst()).isTrue();
        assertThat(OpenFiles.settled(weights))
                .as("bytes taken of %d for a reader of one message", adapter.weights().length)
                .isBetween((long) CHUNK / 2, (long) WINDOW + 4 * CHUNK)
                .isLessThan(adapter.weights().length / 2);
        // the reader stays, for longer than the tests' nightshift.slow-reader
        assertThat(OpenFiles.closed(weights, SOON)).as("given up").isTrue();
        assertThat(reader.readOnToFailure().getDescription()).contains("nothing of the download was read for 3000 ms");
        assertThat(bytes.get()).isLessThan(adapter.weights().length);
        AtomicLong whole = new AtomicLong();
        stubborn(whole).readOn();
        assertThat(whole.get()).isGreaterThan(adapter.weights().length);
        assertThat(OpenFiles.closed(weights, SOON)).as("closed at its end").isTrue();
        Stubborn<DownloadAdapterRequest, DownloadAdapterResponse> leaving = stubborn(bytes);
        assertThat(leaving.awaitFirst()).isTrue();
        leaving.leave();
        assertThat(OpenFiles.closed(weights, SOON))
                .as("closed once the reader left")
                .isTrue();
        adapters.deleteAdapter(
                DeleteAdapterRequest.newBuilder().setName("unread-by-grpc").build());
    }

    @Test
    void namesMoveBetweenVersions() throws Exception {
        upload("moved", TinyAdapter.of(2, 52).tar());
        upload("moved", TinyAdapter.of(2, 53).tar());
        assertThat(adapters.listAdapterVersions(ListAdapterVersionsRequest.newBuilder()
                                .setName("moved")
                                .build())
                        .getVersionsList())
                .extracting(AdapterVersion::getNumber)
                .containsExactly(2, 1);
        Adapter alias = adapters.setAdapterAlias(SetAdapterAliasRequest.newBuilder()
                .setAlias("moving")
                .setTarget("moved@1")
                .build());
        assertThat(alias.getAlias()).isTrue();
        assertThat(alias.getParent()).isEqualTo("nightshift-tiny");
        assertThat(adapters.rollbackAdapter(RollbackAdapterRequest.newBuilder()
                                .setName("moved")
                                .build())
                        .getVersion()
                        .getNumber())
                .isEqualTo(1);
        assertThat(adapters.listAdapters(ListAdaptersRequest.getDefaultInstance())
                        .getAdaptersList())
                .extracting(Adapter::getId)
                .contains("moved", "moving");
        adapters.deleteAdapter(
                DeleteAdapterRequest.newBuilder().setName("moving").build());
        assertThat(refused(() -> adapters.getAdapter(
                        GetAdapterRequest.newBuilder().setName("moving").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void sumsAndReductionsArePublished() throws Exception {
        upload("part", TinyAdapter.of(3, 54).tar());
        AdapterVersion sum = adapters.composeAdapters(ComposeAdaptersRequest.newBuilder()
                .setName("whole")
                .addParts(AdapterPart.newBuilder().setModel("part").setWeight(0.25))
                .addParts(AdapterPart.newBuilder().setModel("part").setWeight(0.75))
                .build());
        assertThat(sum.getRank()).isEqualTo(6);
        var reduced = adapters.reduceAdapter(
                ReduceAdapterRequest.newBuilder().setModel("whole").setRank(3).build());
        assertThat(reduced.getVersion().getNumber()).isEqualTo(2);
        assertThat(reduced.getRelativeError()).isLessThan(1e-5);
    }

    @Test
    void whatIsWrongIsToldByItsStatus() throws Exception {
        assertThat(refusedUpload(List.of()).getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusedUpload(List.of(chunk(new byte[4], 0, 4))).getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusedUpload(List.of(name("bad"), chunk(new byte[4], 0, 4))).getDescription())
                .contains("neither a .tar nor a .zip");
        assertThat(refusedUpload(List.of(name("../bad"))).getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused(() -> adapters.loadAdapter(LoadAdapterRequest.newBuilder()
                        .setName("escape")
                        .setPath("../..")
                        .build())))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused(() -> adapters.unloadAdapter(
                        UnloadAdapterRequest.newBuilder().setName("nobody").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(refused(() -> adapters.downloadAdapter(DownloadAdapterRequest.newBuilder()
                                .setName("nobody")
                                .build())
                        .hasNext()))
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void aFolderIsLoadedReplacedMergedAndUnloaded() throws Exception {
        Path root = Path.of(ConfigProvider.getConfig().getValue("nightshift.adapters", String.class));
        TinyAdapter.of(2, 61).write(root.resolve("grpc files"));
        LoadAdapterRequest load = LoadAdapterRequest.newBuilder()
                .setName("loaded-by-grpc")
                .setPath("grpc files")
                .build();
        AdapterVersion first = adapters.loadAdapter(load);
        assertThat(first.getState()).isEqualTo(AdapterState.ADAPTER_STATE_READY);
        assertThat(refused(() -> adapters.loadAdapter(load))).isEqualTo(Status.Code.FAILED_PRECONDITION);
        TinyAdapter.of(5, 62).write(root.resolve("grpc files"));
        AdapterVersion second =
                adapters.loadAdapter(load.toBuilder().setInPlace(true).build());
        assertThat(second.getRank()).isEqualTo(5);
        assertThat(second.getDigest()).isNotEqualTo(first.getDigest());
        MergeAdapterResponse merged = adapters.mergeAdapter(MergeAdapterRequest.newBuilder()
                .setModel("loaded-by-grpc")
                .setSource(MergeSource.MERGE_SOURCE_SERVED)
                .build());
        assertThat(merged.getFilesList()).contains("config.json", "README.md");
        assertThat(merged.getBytes()).isPositive();
        assertThat(merged.getExport()).startsWith("nightshift-tiny-loaded-by-grpc-");
        adapters.unloadAdapter(
                UnloadAdapterRequest.newBuilder().setName("loaded-by-grpc").build());
        assertThat(refused(() -> adapters.getAdapter(
                        GetAdapterRequest.newBuilder().setName("loaded-by-grpc").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(root.resolve("grpc files/adapter_config.json")).exists();
    }

    @Test
    void anExportIsCreatedFollowedDownloadedAndDeleted() throws Exception {
        AdapterVersion version = upload("exported", TinyAdapter.of(2, 63).tar());
        Export begun = adapters.createExport(CreateExportRequest.newBuilder()
                .setModel("exported")
                .setName("by-grpc")
                .build());
        assertThat(begun.getState()).isIn(ExportState.EXPORT_STATE_QUEUED, ExportState.EXPORT_STATE_RUNNING);
        assertThat(refused(() -> adapters.createExport(CreateExportRequest.newBuilder()
                        .setModel("exported")
                        .setName("by-grpc")
                        .build())))
                .isEqualTo(Status.Code.FAILED_PRECONDITION);
        GetExportRequest get = GetExportRequest.newBuilder().setName("by-grpc").build();
        Export export = adapters.getExport(get);
        for (int i = 0; i < 600 && export.getState() != ExportState.EXPORT_STATE_SUCCEEDED; i++) {
            Thread.sleep(100);
            export = adapters.getExport(get);
        }
        assertThat(export.getAdapterDigest()).isEqualTo(version.getDigest());
        assertThat(export.getSource()).isEqualTo(MergeSource.MERGE_SOURCE_SERVED);
        assertThat(export.getShards()).isPositive().isEqualTo(export.getShardsTotal());
        assertThat(export.hasFinished()).isTrue();
        assertThat(adapters.listExports(
                                ListExportsRequest.newBuilder().setLimit(1).build())
                        .getExports(0)
                        .getName())
                .isEqualTo("by-grpc");
        long bytes = 0;
        Iterator<DownloadExportResponse> pieces = adapters.downloadExport(
                DownloadExportRequest.newBuilder().setName("by-grpc").build());
        while (pieces.hasNext()) {
            bytes += pieces.next().getChunk().size();
        }
        assertThat(bytes).isGreaterThan(export.getBytes());
        adapters.deleteExport(
                DeleteExportRequest.newBuilder().setName("by-grpc").build());
        assertThat(refused(() -> adapters.getExport(get))).isEqualTo(Status.Code.NOT_FOUND);
    }
}
