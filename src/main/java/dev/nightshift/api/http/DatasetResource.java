package dev.nightshift.api.http;

import dev.nightshift.tuning.FineTuneJobs;
import io.smallrye.common.annotation.NonBlocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/nightshift/datasets}. */
@Path("/v1/nightshift/datasets")
@ApplicationScoped
@Tag(name = "Fine-tuning")
public class DatasetResource {
    private final FineTuneJobs jobs;
    private final Exchanges exchanges;

    DatasetResource(FineTuneJobs jobs, Exchanges exchanges) {
        this.jobs = jobs;
        this.exchanges = exchanges;
    }

    /** A job's request, tried without a job. */
    @POST
    @Path("/check")
    @Consumes(MediaType.WILDCARD)
    @Operation(
            summary = "What a fine-tuning job would do, and what is wrong with its files",
            operationId = "checkDataset")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = DatasetCheck.class)))
    @NonBlocking
    public Uni<Response> check(@Context RoutingContext call) {
        return exchanges.answerAtOnce(call, fields -> DatasetCheck.of(jobs.check(fields.plain())));
    }
}
