package dev.nightshift.api.grpc;

import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FilePage;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.Purpose;
import dev.nightshift.proto.v1.DeleteFileRequest;
import dev.nightshift.proto.v1.DeleteFileResponse;
import dev.nightshift.proto.v1.DownloadFileRequest;
import dev.nightshift.proto.v1.DownloadFileResponse;
import dev.nightshift.proto.v1.File;
import dev.nightshift.proto.v1.FileServiceGrpc;
import dev.nightshift.proto.v1.GetFileRequest;
import dev.nightshift.proto.v1.ListFilesRequest;
import dev.nightshift.proto.v1.ListFilesResponse;
import dev.nightshift.proto.v1.UploadFileRequest;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.smallrye.common.annotation.Blocking;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;

/** {@code nightshift.v1.FileService}. */
@GrpcService
public class FileGrpc extends FileServiceGrpc.FileServiceImplBase {
    private static final int LIMIT_MAX = 10_000;

    private final FileStore files;
    private final ReaderPatience patience;

    FileGrpc(FileStore files, ReaderPatience patience) {
        this.files = files;
        this.patience = patience;
    }

    @Override
    public StreamObserver<UploadFileRequest> uploadFile(StreamObserver<File> observer) {
        return UploadPipe.start(
                observer,
                FileMessages::part,
                (head, content) -> FileMessages.file(files.receive(content, FileMessages.newFile(head))));
    }

    @Override
    @Blocking
    public void getFile(GetFileRequest request, StreamObserver<File> observer) {
        Once.answer(observer, () -> FileMessages.file(files.get(request.getId())));
    }

    @Override
    @Blocking
    public void listFiles(ListFilesRequest request, StreamObserver<ListFilesResponse> observer) {
        Once.answer(observer, () -> {
            int limit = request.getLimit() == 0 ? LIMIT_MAX : request.getLimit();
            if (limit < 1 || limit > LIMIT_MAX) {
                throw ServingException.invalid(
                        "limit", "limit: 1 to %d are possible, got %d".formatted(LIMIT_MAX, limit));
            }
            FilePage page = files.list(
                    given(request.getPurpose()).map(Purpose::of),
                    given(request.getAfter()),
                    limit,
                    !request.getOldestFirst());
            return ListFilesResponse.newBuilder()
                    .addAllFiles(page.files().stream().map(FileMessages::file).toList())
                    .setHasMore(page.hasMore())
                    .build();
        });
    }

    private static Optional<String> given(String text) {
        return Optional.of(text).filter(value -> !value.isEmpty());
    }

    @Override
    @Blocking
    public void deleteFile(DeleteFileRequest request, StreamObserver<DeleteFileResponse> observer) {
        Once.answer(observer, () -> {
            files.delete(request.getId());
            return DeleteFileResponse.getDefaultInstance();
        });
    }

    @Override
    @Blocking
    public void downloadFile(DownloadFileRequest request, StreamObserver<DownloadFileResponse> observer) {
        Once.guard(
                observer,
                () -> DownloadStream.start(
                        observer,
                        patience,
                        chunk -> DownloadFileResponse.newBuilder()
                                .setChunk(chunk)
                                .build(),
                        content(files.open(request.getId()))));
    }

    private static DownloadStream.Content content(InputStream stored) {
        return new DownloadStream.Content() {
            @Override
            public void writeTo(OutputStream out) throws IOException {
                stored.transferTo(out);
                out.flush();
            }

            @Override
            public void close() throws IOException {
                stored.close();
            }
        };
    }
}
