package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import dev.nightshift.TestSettings;
import dev.nightshift.api.OpenFiles;
import dev.nightshift.proto.v1.DeleteFileRequest;
import dev.nightshift.proto.v1.DownloadFileRequest;
import dev.nightshift.proto.v1.DownloadFileResponse;
import dev.nightshift.proto.v1.File;
import dev.nightshift.proto.v1.FileServiceGrpc;
import dev.nightshift.proto.v1.GetFileRequest;
import dev.nightshift.proto.v1.ListFilesRequest;
import dev.nightshift.proto.v1.ListFilesResponse;
import dev.nightshift.proto.v1.NewFile;
import dev.nightshift.proto.v1.UploadFileRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.RestAssured;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Files through gRPC stubs; the same ones that the HTTP API shows. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class FileGrpcTest {
    private static final String ROW = "{\"prompt\":\"one\",\"completion\":\" two\"}\n";

    /** Bytes of a download's message. */
    private static final int CHUNK = 1 << 18;
    /** Bytes that the client's connection takes without anybody reading. */
    private static final int WINDOW = 1 << 20;

    private static final java.time.Duration SOON = java.time.Duration.ofSeconds(20);

    @TestHTTPResource
    URI server;

    private ManagedChannel channel;
    private FileServiceGrpc.FileServiceBlockingStub files;

    @BeforeEach
    void connect() {
        channel = NettyChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .build();
        files = FileServiceGrpc.newBlockingStub(channel);
    }

    @AfterEach
    void disconnect() {
        channel.shutdownNow();
    }

    private static UploadFileRequest head(String filename, String purpose) {
        return UploadFileRequest.newBuilder()
                .setFile(NewFile.newBuilder().setFilename(filename).setPurpose(purpose))
                .build();
    }

    private static UploadFileRequest chunk(byte[] bytes, int from, int to) {
        return UploadFileRequest.newBuilder()
                .setChunk(ByteString.copyFrom(bytes, from, to - from))
                .build();
    }

    private File upload(List<UploadFileRequest> messages) {
        CompletableFuture<File> answer = new CompletableFuture<>();
        StreamObserver<UploadFileRequest> request = FileServiceGrpc.newStub(channel)
                .uploadFile(new StreamObserver<>() {
                    @Override
                    public void onNext(File file) {
                        answer.complete(file);
                    }

                    @Override
                    public void onError(Throwable failure) {
                        answer.completeExceptionally(failure);
                    }

                    @Override
                    public void onCompleted() {}
                });
        for (UploadFileRequest message : messages) {
            if (answer.isDone()) {
                break;
            }
            request.onNext(message);
        }
        if (!answer.isDone()) {
            request.onCompleted();
        }
        return answer.orTimeout(60, TimeUnit.SECONDS).join();
    }

    private File upload(String filename, String purpose, byte[] content, int chunkBytes) {
        List<UploadFileRequest> messages = new ArrayList<>();
        messages.add(head(filename, purpose));
        for (int from = 0; from < content.length; from += chunkBytes) {
            messages.add(chunk(content, from, Math.min(content.length, from + chunkBytes)));
        }
        return upload(messages);
    }

    private StatusRuntimeException refused(List<UploadFileRequest> messages) {
        CompletionException failure = catchThrowableOfType(CompletionException.class, () -> upload(messages));
        assertThat(failure.getCause()).isInstanceOf(StatusRuntimeException.class);
        return (StatusRuntimeException) failure.getCause();
    }

    private byte[] download(String id) {
        ByteString.Output out = ByteString.newOutput();
        files.downloadFile(DownloadFileRequest.newBuilder().setId(id).build()).forEachRemaining(message -> {
            try {
                message.getChunk().writeTo(out);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        return out.toByteString().toByteArray();
    }

    @Test
    void comesBackByteByByteAndOverHttpToo() {
        byte[] content = new byte[3 << 20];
        new Random(5).nextBytes(content);
        File file = upload("numbers.bin", "user_data", content, 700_001);
        assertThat(file.getBytes()).isEqualTo(content.length);
        assertThat(file.getPurpose()).isEqualTo("user_data");
        assertThat(file.hasExpires()).isFalse();
        assertThat(download(file.getId())).isEqualTo(content);
        assertThat(files.getFile(GetFileRequest.newBuilder().setId(file.getId()).build()))
                .isEqualTo(file);
        assertThat(RestAssured.get("/v1/files/" + file.getId() + "/content").asByteArray())
                .isEqualTo(content);
    }

    private Stubborn<DownloadFileRequest, DownloadFileResponse> stubborn(File file, AtomicLong bytes) {
        Stubborn<DownloadFileRequest, DownloadFileResponse> reader =
                Stubborn.counting(bytes, message -> message.getChunk().size());
        FileServiceGrpc.newStub(channel)
                .downloadFile(
                        DownloadFileRequest.newBuilder().setId(file.getId()).build(), reader);
        return reader;
    }

    @Test
    void aReaderThatTakesNothingLeavesTheFileOnDisk() throws Exception {
        OpenFiles.assumeTold();
        byte[] content = new byte[36 << 20];
        File file = upload("large.bin", "user_data", content, 1 << 20);
        AtomicLong bytes = new AtomicLong();
        Stubborn<DownloadFileRequest, DownloadFileResponse> reader = stubborn(file, bytes);
        assertThat(reader.awaitFirst()).isTrue();
        assertThat(OpenFiles.settled(open -> open.endsWith(file.getId())))
                .as("bytes taken from the file for a reader of one message")
                .isBetween((long) CHUNK, (long) WINDOW + 4 * CHUNK);
        // the reader stays, for longer than the tests' nightshift.slow-reader
        assertThat(OpenFiles.closed(open -> open.endsWith(file.getId()), SOON))
                .as("given up")
                .isTrue();
        Status end = reader.readOnToFailure();
        assertThat(end.getCode()).isEqualTo(Status.Code.CANCELLED);
        assertThat(end.getDescription()).contains("nothing of the download was read for 3000 ms");
        assertThat(bytes.get()).isLessThan(content.length / 2);
        AtomicLong whole = new AtomicLong();
        stubborn(file, whole).readOn();
        assertThat(whole.get()).isEqualTo(content.length);
        assertThat(OpenFiles.closed(open -> open.endsWith(file.getId()), SOON))
                .as("closed at its end")
                .isTrue();
        Stubborn<DownloadFileRequest, DownloadFileResponse> leaving = stubborn(file, bytes);
        assertThat(leaving.awaitFirst()).isTrue();
        leaving.leave();
        assertThat(OpenFiles.closed(open -> open.endsWith(file.getId()), SOON))
                .as("closed once the reader left")
                .isTrue();
    }

    @Test
    void listsPagesInBothDirectionsAndDeletes() {
        byte[] rows = ROW.repeat(3).getBytes(StandardCharsets.UTF_8);
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            ids.add(upload("eval-" + i + ".jsonl", "evals", rows, 10).getId());
        }
        ListFilesRequest.Builder request =
                ListFilesRequest.newBuilder().setPurpose("evals").setLimit(2);
        ListFilesResponse first = files.listFiles(request.setOldestFirst(true).build());
        assertThat(first.getFilesList()).extracting(File::getId).containsExactly(ids.get(0), ids.get(1));
        assertThat(first.getHasMore()).isTrue();
        ListFilesResponse second = files.listFiles(request.setAfter(ids.get(1)).build());
        assertThat(second.getFilesList()).extracting(File::getId).containsExactly(ids.get(2));
        assertThat(second.getHasMore()).isFalse();
        ListFilesResponse newest = files.listFiles(
                ListFilesRequest.newBuilder().setPurpose("evals").build());
        assertThat(newest.getFilesList()).extracting(File::getId).isEqualTo(ids.reversed());
        files.deleteFile(DeleteFileRequest.newBuilder().setId(ids.get(0)).build());
        StatusRuntimeException gone = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> files.getFile(
                        GetFileRequest.newBuilder().setId(ids.get(0)).build()));
        assertThat(gone.getStatus().getCode()).isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void anExpiryIsKept() {
        File file = upload(List.of(
                UploadFileRequest.newBuilder()
                        .setFile(NewFile.newBuilder()
                                .setFilename("rows.jsonl")
                                .setPurpose("fine-tune")
                                .setExpiresAfter(Duration.newBuilder().setSeconds(7200)))
                        .build(),
                chunk(ROW.getBytes(StandardCharsets.UTF_8), 0, ROW.length())));
        assertThat(file.getExpires().getSeconds() - file.getCreated().getSeconds())
                .isEqualTo(7200);
    }

    @Test
    void refusesWhatTheHttpApiRefuses() {
        byte[] broken = "not json\n".getBytes(StandardCharsets.UTF_8);
        assertThat(refused(List.of(head("rows.jsonl", "fine-tune"), chunk(broken, 0, broken.length)))
                        .getStatus())
                .satisfies(status -> {
                    assertThat(status.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                    assertThat(status.getDescription()).contains("line 1");
                });
        assertThat(refused(List.of(head("rows.txt", "fine-tune"))).getStatus().getCode())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused(List.of(head("rows.txt", "nothing"))).getStatus().getDescription())
                .contains("purpose");
        assertThat(refused(List.of(chunk(broken, 0, 1))).getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused(List.of()).getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused(List.of(head("a.txt", "user_data"), head("b.txt", "user_data")))
                        .getStatus()
                        .getDescription())
                .contains("twice");
    }

    /** The tests' limit for a file is 40 MB. */
    @Test
    void tooLargeAFileIsRefusedBeforeItsEnd() {
        byte[] megabyte = new byte[1 << 20];
        List<UploadFileRequest> messages = new ArrayList<>();
        messages.add(head("large.bin", "user_data"));
        for (int i = 0; i < 50; i++) {
            messages.add(chunk(megabyte, 0, megabyte.length));
        }
        assertThat(refused(messages).getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    }
}
