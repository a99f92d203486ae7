package dev.nightshift.api.http;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.Job;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.common.annotation.NonBlocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.QueryParam;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import jakarta.ws.rs.core.UriInfo;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/fine_tuning/jobs}; the stream of a job's events is {@link JobEventRoutes}'. */
@Path("/v1/fine_tuning/jobs")
@ApplicationScoped
@Blocking
@Tag(name = "Fine-tuning")
public class FineTuningResource {
    private static final int LIMIT_MAX = 100;
    private static final int JOBS = 20;
    private static final int CHECKPOINTS = 10;

    private final FineTuneJobs jobs;
    private final Exchanges exchanges;

    FineTuningResource(FineTuneJobs jobs, Exchanges exchanges) {
        this.jobs = jobs;
        this.exchanges = exchanges;
    }

    /** Files are checked later; a job whose files are wrong fails with their faults. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Create a fine-tuning job", operationId = "createFineTuningJob")
    @NonBlocking
    public Uni<Response> create(@Context RoutingContext call) {
        return exchanges.answerAtOnce(call, fields -> JobObject.of(jobs.create(fields.plain())));
    }

    /** Newest first; {@code metadata[key]=value} filters. */
    @GET
    @Operation(summary = "List fine-tuning jobs", operationId = "listFineTuningJobs")
    public Response list(@QueryParam("after") String after, @QueryParam("limit") String limit, @Context UriInfo uri) {
        Job.Page<Job> page = jobs.list(given(after), metadata(uri), limit(limit, JOBS));
        return Answers.json(
                JobObject.Page.of(page.items().stream().map(JobObject::of).toList(), page.more()));
    }

    private static Map<String, String> metadata(UriInfo uri) {
        Map<String, String> metadata = new LinkedHashMap<>();
        uri.getQueryParameters().forEach((name, values) -> {
            if (name.startsWith("metadata[") && name.endsWith("]")) {
                metadata.put(name.substring("metadata[".length(), name.length() - 1), values.getFirst());
            }
        });
        return metadata;
    }

    private static Optional<String> given(String parameter) {
        return Optional.ofNullable(parameter).filter(text -> !text.isEmpty());
    }

    static int limit(String text, int absent) {
        if (text == null || text.isEmpty()) {
            return absent;
        }
        try {
            int limit = Integer.parseInt(text);
            if (limit >= 1 && limit <= LIMIT_MAX) {
                return limit;
            }
        } catch (NumberFormatException e) {
            // refused below
        }
        throw ServingException.invalid(
                "limit", "limit: a whole number from 1 to %d is expected, got '%s'".formatted(LIMIT_MAX, text));
    }

    /** One job. */
    @GET
    @Path("/{id}")
    @Operation(summary = "Describe a fine-tuning job", operationId = "retrieveFineTuningJob")
    public Response retrieve(@PathParam("id") String id) {
        return answer(jobs.get(id));
    }

    /** Ends it for good. */
    @POST
    @Path("/{id}/cancel")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Cancel a fine-tuning job", operationId = "cancelFineTuningJob")
    public Response cancel(@PathParam("id") String id) {
        return answer(jobs.cancel(id));
    }

    /** Keeps what it has learnt. */
    @POST
    @Path("/{id}/pause")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Pause a fine-tuning job", operationId = "pauseFineTuningJob")
    public Response pause(@PathParam("id") String id) {
        return answer(jobs.pause(id));
    }

    /** Queues a paused job again. */
    @POST
    @Path("/{id}/resume")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Resume a paused fine-tuning job", operationId = "resumeFineTuningJob")
    public Response resume(@PathParam("id") String id) {
        return answer(jobs.resume(id));
    }

    /** Newest first. */
    @GET
    @Path("/{id}/events")
    @Operation(summary = "What happened to a fine-tuning job", operationId = "listFineTuningEvents")
    public Response events(
            @PathParam("id") String id, @QueryParam("after") String after, @QueryParam("limit") String limit) {
        Job.Page<Job.Event> page = jobs.events(id, given(after), limit(limit, JOBS));
        return Answers.json(
                JobObject.Page.of(page.items().stream().map(JobObject.Event::of).toList(), page.more()));
    }

    /** Latest first. */
    @GET
    @Path("/{id}/checkpoints")
    @Operation(summary = "Checkpoints of a fine-tuning job", operationId = "listFineTuningJobCheckpoints")
    public Response checkpoints(
            @PathParam("id") String id, @QueryParam("after") String after, @QueryParam("limit") String limit) {
        Job.Page<Job.Checkpoint> page = jobs.checkpoints(id, given(after), limit(limit, CHECKPOINTS));
        List<JobObject.Checkpoint> data = page.items().stream()
                .map(checkpoint -> JobObject.Checkpoint.of(id, checkpoint))
                .toList();
        return Answers.json(new JobObject.Page<>(
                "list",
                data,
                page.more(),
                data.isEmpty() ? null : data.getFirst().id(),
                data.isEmpty() ? null : data.getLast().id()));
    }

    private static Response answer(Job job) {
        return Answers.json(JobObject.of(job));
    }
}
