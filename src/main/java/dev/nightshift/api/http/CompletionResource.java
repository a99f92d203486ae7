package dev.nightshift.api.http;

import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ServedChat;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.List;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.parameters.RequestBody;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code POST /v1/completions}: text in, text out, without a chat template. */
@Path("/v1/completions")
@ApplicationScoped
@Tag(name = "Completions")
public class CompletionResource {
    private final Exchanges exchanges;
    private final ServedChat served;
    private final RequestLimits limits;

    CompletionResource(Exchanges exchanges, ServedChat served, RequestLimits limits) {
        this.exchanges = exchanges;
        this.served = served;
        this.limits = limits;
    }

    /** Continues one prompt or a batch; choice {@code i * n + j} is answer j to prompt i. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Continue texts or token ids", operationId = "createCompletion")
    @RequestBody(
            required = true,
            content = @Content(mediaType = "application/json", schema = @Schema(ref = "CompletionRequest")))
    @APIResponse(
            responseCode = "200",
            content = {
                @Content(mediaType = "application/json", schema = @Schema(implementation = TextCompletion.class)),
                @Content(mediaType = "text/event-stream", schema = @Schema(implementation = TextCompletion.class))
            })
    @APIResponse(
            responseCode = "4XX",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = ErrorBody.class)))
    public Uni<Response> create(@Context RoutingContext call) {
        return exchanges.answer(call, this::prepare);
    }

    private Exchanges.Prepared prepare(Fields fields) {
        Chat chat = served.get();
        ModelFacts facts = ModelFacts.of(chat.model());
        CompletionCall call = CompletionFields.read(fields, limits, facts);
        JsonBody.logUnknown(fields);
        AnswerHead head = AnswerHead.of("cmpl-", call.requests().getFirst().model(), facts);
        List<String> echoed = call.echo()
                ? call.requests().stream().map(each -> promptText(chat, each)).toList()
                : List.of();
        Form form = call.streaming().stream()
                ? new CompletionChunks(call, head, echoed)
                : new CompletionAnswer(call, head, echoed);
        return new Exchanges.Prepared(chat, call.requests(), form);
    }

    private static String promptText(Chat chat, ChatRequest request) {
        return switch (request.prompt()) {
            case ChatRequest.Text text -> text.text();
            case ChatRequest.Ids ids -> chat.detokenize(ids.ids());
            case ChatRequest.Messages messages ->
                throw new IllegalStateException("a text completion with messages: " + messages);
        };
    }
}
