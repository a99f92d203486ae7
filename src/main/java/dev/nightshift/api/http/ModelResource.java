package dev.nightshift.api.http;

import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.chat.SingleModelCatalog;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.smallrye.common.annotation.Blocking;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.core.Response;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/models} and {@code /v1/models/{id}}; an id may hold slashes, as they are or as {@code %2F}. */
@Path("/v1/models")
@ApplicationScoped
@Tag(name = "Models")
public class ModelResource {
    private final ServedChat served;
    private final ServedAdapters adapters;
    private final long started = Instant.now().getEpochSecond();

    ModelResource(ServedChat served, ServedAdapters adapters) {
        this.served = served;
        this.adapters = adapters;
    }

    /** The base model first. */
    @GET
    @Operation(summary = "List the models that requests may name", operationId = "listModels")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = ModelList.class)))
    public Response list() {
        return Answers.json(new ModelList("list", cards()));
    }

    /** One card. */
    @GET
    @Path("/{id: .+}")
    @Operation(summary = "Describe a model", operationId = "retrieveModel")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(mediaType = "application/json", schema = @Schema(implementation = ModelList.Model.class)))
    public Response retrieve(@PathParam("id") String id) {
        Chat chat = served.get();
        List<String> ids = chat.catalog().ids();
        if (id.equals(ids.getFirst())) {
            return Answers.json(base(chat, id));
        }
        return adapters.get()
                .registry()
                .find(id)
                .map(view -> Answers.json(adapter(chat, ids.getFirst(), view)))
                .orElseThrow(() -> SingleModelCatalog.unknown(id, ids));
    }

    /** An adapter, a version or a fine-tuned name; the base model stays. */
    @DELETE
    @Blocking
    @Path("/{id: .+}")
    @Operation(summary = "Delete an adapter", operationId = "deleteModel")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(
                            mediaType = "application/json",
                            schema = @Schema(implementation = AdapterCard.Deleted.class)))
    public Response delete(@PathParam("id") String id) {
        List<String> ids = served.get().catalog().ids();
        if (id.equals(ids.getFirst())) {
            throw new ServingException(
                            ErrorCode.PERMISSION_DENIED, "'" + id + "' is the base model, which can't be deleted")
                    .withParam("model");
        }
        AdapterRegistry registry = adapters.get().registry();
        if (registry.find(id).isEmpty()) {
            throw SingleModelCatalog.unknown(id, ids);
        }
        registry.delete(id);
        return Answers.json(new AdapterCard.Deleted(id, "model", true));
    }

    private List<ModelList.Model> cards() {
        Chat chat = served.get();
        String base = chat.catalog().ids().getFirst();
        List<ModelList.Model> cards = new ArrayList<>();
        cards.add(base(chat, base));
        adapters.get().registry().list().forEach(view -> cards.add(adapter(chat, base, view)));
        return cards;
    }

    private ModelList.Model base(Chat chat, String id) {
        return ModelList.Model.of(id, id, null, started, chat.model().contextMax());
    }

    /** Its root is the version that it means now, not a path: those are nobody's business. */
    private static ModelList.Model adapter(Chat chat, String base, AdapterView view) {
        return ModelList.Model.of(
                view.id(),
                view.version().id(),
                base,
                view.version().origin().created().getEpochSecond(),
                chat.model().contextMax());
    }
}
