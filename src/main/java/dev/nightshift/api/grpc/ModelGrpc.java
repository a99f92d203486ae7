package dev.nightshift.api.grpc;

import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.proto.v1.GetModelRequest;
import dev.nightshift.proto.v1.ListModelsRequest;
import dev.nightshift.proto.v1.ListModelsResponse;
import dev.nightshift.proto.v1.Model;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.smallrye.common.annotation.Blocking;
import java.time.Instant;
import java.util.Optional;

/** {@code nightshift.v1.ModelService}. */
@GrpcService
public class ModelGrpc extends ModelServiceGrpc.ModelServiceImplBase {
    private final ServedChat served;
    private final ServedAdapters adapters;
    private final long created = Instant.now().getEpochSecond();

    ModelGrpc(ServedChat served, ServedAdapters adapters) {
        this.served = served;
        this.adapters = adapters;
    }

    @Override
    @Blocking
    public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> observer) {
        Once.answer(observer, () -> {
            Chat chat = served.get();
            ListModelsResponse.Builder response = ListModelsResponse.newBuilder();
            chat.catalog().ids().forEach(name -> response.addModels(model(chat, name)));
            return response.build();
        });
    }

    @Override
    @Blocking
    public void getModel(GetModelRequest request, StreamObserver<Model> observer) {
        Once.answer(observer, () -> {
            Chat chat = served.get();
            chat.catalog().acquire(request.getName()).release().run();
            return model(chat, request.getName());
        });
    }

    private Model model(Chat chat, String name) {
        String base = chat.catalog().ids().getFirst();
        Optional<AdapterVersion> version = name.equals(base)
                ? Optional.empty()
                : adapters.get().registry().find(name).map(AdapterView::version);
        return Model.newBuilder()
                .setName(name)
                .setCreated(version.map(each -> each.origin().created().getEpochSecond())
                        .orElse(created))
                .setParent(name.equals(base) ? "" : base)
                .setRoot(version.map(AdapterVersion::id).orElse(name))
                .setContextMax(chat.model().contextMax())
                .build();
    }
}
