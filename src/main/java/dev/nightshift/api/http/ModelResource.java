package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.core.Response;
import java.util.List;
import java.util.stream.Collectors;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code GET /v1/models} and {@code GET /v1/models/{id}}; an id may hold slashes, as they are or as {@code %2F}. */
@Path("/v1/models")
@ApplicationScoped
@Tag(name = "Models")
public class ModelResource {
    private final ServedModel model;

    ModelResource(ServedModel model) {
        this.model = model;
    }

    /** The base model first. */
    @GET
    @Operation(summary = "List the models that requests may name", operationId = "listModels")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = ModelList.class)))
    public Response list() {
        List<ModelList.Model> cards =
                model.models().stream().map(ModelList.Model::of).toList();
        return Answers.json(new ModelList("list", cards));
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
        List<ServedModel.Served> served = model.models();
        return served.stream()
                .filter(candidate -> candidate.id().equals(id))
                .findFirst()
                .map(found -> Answers.json(ModelList.Model.of(found)))
                .orElseThrow(() -> unknown(id, served));
    }

    private static ServingException unknown(String id, List<ServedModel.Served> served) {
        String names = served.stream().map(ServedModel.Served::id).collect(Collectors.joining(", "));
        return new ServingException(
                        ErrorCode.MODEL_NOT_FOUND, "The model '" + id + "' does not exist; this server has " + names)
                .withParam("model");
    }
}
