package dev.nightshift.api.grpc;

import dev.nightshift.adapter.AdapterLibrary;
import dev.nightshift.adapter.ExportPage;
import dev.nightshift.adapter.FolderDownload;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.Adapter;
import dev.nightshift.proto.v1.AdapterServiceGrpc;
import dev.nightshift.proto.v1.AdapterVersion;
import dev.nightshift.proto.v1.ComposeAdaptersRequest;
import dev.nightshift.proto.v1.CreateExportRequest;
import dev.nightshift.proto.v1.DeleteAdapterRequest;
import dev.nightshift.proto.v1.DeleteAdapterResponse;
import dev.nightshift.proto.v1.DeleteExportRequest;
import dev.nightshift.proto.v1.DeleteExportResponse;
import dev.nightshift.proto.v1.DownloadAdapterRequest;
import dev.nightshift.proto.v1.DownloadAdapterResponse;
import dev.nightshift.proto.v1.DownloadExportRequest;
import dev.nightshift.proto.v1.DownloadExportResponse;
import dev.nightshift.proto.v1.Export;
import dev.nightshift.proto.v1.GetAdapterRequest;
import dev.nightshift.proto.v1.GetExportRequest;
import dev.nightshift.proto.v1.ListAdapterVersionsRequest;
import dev.nightshift.proto.v1.ListAdapterVersionsResponse;
import dev.nightshift.proto.v1.ListAdaptersRequest;
import dev.nightshift.proto.v1.ListAdaptersResponse;
import dev.nightshift.proto.v1.ListExportsRequest;
import dev.nightshift.proto.v1.ListExportsResponse;
import dev.nightshift.proto.v1.LoadAdapterRequest;
import dev.nightshift.proto.v1.MergeAdapterRequest;
import dev.nightshift.proto.v1.MergeAdapterResponse;
import dev.nightshift.proto.v1.ReduceAdapterRequest;
import dev.nightshift.proto.v1.ReduceAdapterResponse;
import dev.nightshift.proto.v1.RollbackAdapterRequest;
import dev.nightshift.proto.v1.SetAdapterAliasRequest;
import dev.nightshift.proto.v1.UnloadAdapterRequest;
import dev.nightshift.proto.v1.UnloadAdapterResponse;
import dev.nightshift.proto.v1.UploadAdapterRequest;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.smallrye.common.annotation.Blocking;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** {@code nightshift.v1.AdapterService}. */
@GrpcService
public class AdapterGrpc extends AdapterServiceGrpc.AdapterServiceImplBase {
    private static final int LIMIT_MAX = 10_000;

    private final ServedAdapters adapters;
    private final ReaderPatience patience;

    AdapterGrpc(ServedAdapters adapters, ReaderPatience patience) {
        this.adapters = adapters;
        this.patience = patience;
    }

    @Override
    @Blocking
    public void listAdapters(ListAdaptersRequest request, StreamObserver<ListAdaptersResponse> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            ListAdaptersResponse.Builder response = ListAdaptersResponse.newBuilder();
            library.registry()
                    .list()
                    .forEach(view -> response.addAdapters(AdapterMessages.adapter(view, library.baseName())));
            return response.build();
        });
    }

    @Override
    @Blocking
    public void getAdapter(GetAdapterRequest request, StreamObserver<Adapter> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            return AdapterMessages.adapter(library.view(named(request.getName())), library.baseName());
        });
    }

    @Override
    @Blocking
    public void listAdapterVersions(
            ListAdapterVersionsRequest request, StreamObserver<ListAdapterVersionsResponse> observer) {
        Once.answer(observer, () -> {
            ListAdapterVersionsResponse.Builder response = ListAdapterVersionsResponse.newBuilder();
            adapters.get()
                    .registry()
                    .versions(named(request.getName()))
                    .forEach(version -> response.addVersions(AdapterMessages.version(version)));
            return response.build();
        });
    }

    @Override
    @Blocking
    public void setAdapterAlias(SetAdapterAliasRequest request, StreamObserver<Adapter> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            return AdapterMessages.adapter(
                    library.registry().alias(request.getAlias(), request.getTarget()), library.baseName());
        });
    }

    @Override
    @Blocking
    public void rollbackAdapter(RollbackAdapterRequest request, StreamObserver<Adapter> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            return AdapterMessages.adapter(library.registry().rollback(named(request.getName())), library.baseName());
        });
    }

    @Override
    @Blocking
    public void deleteAdapter(DeleteAdapterRequest request, StreamObserver<DeleteAdapterResponse> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            library.view(named(request.getName()));
            library.registry().delete(request.getName());
            return DeleteAdapterResponse.getDefaultInstance();
        });
    }

    @Override
    @Blocking
    public void loadAdapter(LoadAdapterRequest request, StreamObserver<AdapterVersion> observer) {
        Once.answer(
                observer,
                () -> AdapterMessages.version(adapters.get()
                        .registry()
                        .load(named(request.getName()), request.getPath(), request.getInPlace())));
    }

    @Override
    @Blocking
    public void unloadAdapter(UnloadAdapterRequest request, StreamObserver<UnloadAdapterResponse> observer) {
        Once.answer(observer, () -> {
            adapters.get().registry().unload(named(request.getName()));
            return UnloadAdapterResponse.getDefaultInstance();
        });
    }

    @Override
    public StreamObserver<UploadAdapterRequest> uploadAdapter(StreamObserver<AdapterVersion> observer) {
        return UploadPipe.start(
                observer,
                AdapterMessages::part,
                (name, content) -> AdapterMessages.version(adapters.get().upload(name, content)));
    }

    @Override
    @Blocking
    public void downloadAdapter(DownloadAdapterRequest request, StreamObserver<DownloadAdapterResponse> observer) {
        Once.guard(observer, () -> {
            FolderDownload download = adapters.get().download(named(request.getName()));
            DownloadStream.start(observer, patience, AdapterMessages::chunk, AdapterMessages.content(download));
        });
    }

    @Override
    @Blocking
    public void composeAdapters(ComposeAdaptersRequest request, StreamObserver<AdapterVersion> observer) {
        Once.answer(observer, () -> {
            List<AdapterLibrary.Part> parts = request.getPartsList().stream()
                    .map(part -> new AdapterLibrary.Part(part.getModel(), part.getWeight()))
                    .toList();
            OptionalInt rank = request.hasRank() ? OptionalInt.of(request.getRank()) : OptionalInt.empty();
            return AdapterMessages.version(adapters.get()
                    .compose(named(request.getName()), parts, rank)
                    .version());
        });
    }

    @Override
    @Blocking
    public void reduceAdapter(ReduceAdapterRequest request, StreamObserver<ReduceAdapterResponse> observer) {
        Once.answer(observer, () -> {
            AdapterLibrary library = adapters.get();
            String name = request.getName().isEmpty()
                    ? library.view(request.getModel()).version().name()
                    : request.getName();
            AdapterLibrary.Computed computed = library.reduce(request.getModel(), request.getRank(), name);
            return ReduceAdapterResponse.newBuilder()
                    .setVersion(AdapterMessages.version(computed.version()))
                    .setRelativeError(computed.relativeError())
                    .build();
        });
    }

    @Override
    @Blocking
    public void mergeAdapter(MergeAdapterRequest request, StreamObserver<MergeAdapterResponse> observer) {
        Once.guard(
                observer,
                () -> adapters.get()
                        .merge(
                                request.getModel(),
                                ExportMessages.source(request.getSource(), request.getSourceValue()),
                                given(request.getName()))
                        .whenComplete((export, failure) ->
                                Once.answer(observer, () -> ExportMessages.merged(export, failure))));
    }

    @Override
    @Blocking
    public void createExport(CreateExportRequest request, StreamObserver<Export> observer) {
        Once.answer(
                observer,
                () -> ExportMessages.export(adapters.get()
                        .export(
                                request.getModel(),
                                ExportMessages.source(request.getSource(), request.getSourceValue()),
                                given(request.getName()))));
    }

    @Override
    @Blocking
    public void listExports(ListExportsRequest request, StreamObserver<ListExportsResponse> observer) {
        Once.answer(observer, () -> {
            int limit = request.getLimit() == 0 ? LIMIT_MAX : request.getLimit();
            if (limit < 1 || limit > LIMIT_MAX) {
                throw ServingException.invalid(
                        "limit", "limit: 1 to %d are possible, got %d".formatted(LIMIT_MAX, limit));
            }
            ExportPage page = adapters.get().exports(given(request.getAfter()), limit, !request.getOldestFirst());
            return ListExportsResponse.newBuilder()
                    .addAllExports(
                            page.exports().stream().map(ExportMessages::export).toList())
                    .setHasMore(page.hasMore())
                    .build();
        });
    }

    @Override
    @Blocking
    public void getExport(GetExportRequest request, StreamObserver<Export> observer) {
        Once.answer(observer, () -> ExportMessages.export(adapters.get().getExport(named(request.getName()))));
    }

    @Override
    @Blocking
    public void downloadExport(DownloadExportRequest request, StreamObserver<DownloadExportResponse> observer) {
        Once.guard(observer, () -> {
            FolderDownload download = adapters.get().downloadExport(named(request.getName()));
            DownloadStream.start(observer, patience, ExportMessages::chunk, AdapterMessages.content(download));
        });
    }

    @Override
    @Blocking
    public void deleteExport(DeleteExportRequest request, StreamObserver<DeleteExportResponse> observer) {
        Once.answer(observer, () -> {
            adapters.get().deleteExport(named(request.getName()));
            return DeleteExportResponse.getDefaultInstance();
        });
    }

    private static Optional<String> given(String text) {
        return Optional.of(text).filter(value -> !value.isEmpty());
    }

    private static String named(String name) {
        if (name.isEmpty()) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "name: the field is required").withParam("name");
        }
        return name;
    }
}
