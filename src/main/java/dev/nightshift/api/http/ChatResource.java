package dev.nightshift.api.http;

import dev.nightshift.chat.Chat;
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
import java.util.Arrays;
import java.util.List;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.parameters.RequestBody;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code POST /v1/chat/completions}. */
@Path("/v1/chat/completions")
@ApplicationScoped
@Tag(name = "Chat")
public class ChatResource {
    private final Exchanges exchanges;
    private final ServedChat served;
    private final RequestLimits limits;

    ChatResource(Exchanges exchanges, ServedChat served, RequestLimits limits) {
        this.exchanges = exchanges;
        this.served = served;
        this.limits = limits;
    }

    /** One answer, or a stream of {@code chat.completion.chunk} frames when the body says {@code "stream": true}. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Answer a conversation", operationId = "createChatCompletion")
    @RequestBody(
            required = true,
            content = @Content(mediaType = "application/json", schema = @Schema(ref = "ChatCompletionRequest")))
    @APIResponse(
            responseCode = "200",
            content = {
                @Content(mediaType = "application/json", schema = @Schema(implementation = ChatCompletion.class)),
                @Content(mediaType = "text/event-stream", schema = @Schema(implementation = ChatChunk.class))
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
        ChatCall call = ChatFields.read(fields, limits, facts);
        JsonBody.logUnknown(fields);
        AnswerHead head = AnswerHead.of("chatcmpl-", call.request().model(), facts);
        Form form = call.streaming().stream()
                ? new ChatChunks(call, head)
                : new ChatAnswer(call, head, promptIds(chat, call));
        return new Exchanges.Prepared(chat, List.of(call.request()), form);
    }

    private static List<Integer> promptIds(Chat chat, ChatCall call) {
        if (!call.tokenForm().returnIds()) {
            return null;
        }
        return Arrays.stream(chat.encode(call.request().prompt())).boxed().toList();
    }
}
