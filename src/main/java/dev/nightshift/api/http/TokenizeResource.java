package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatModel;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.failure.ServingException;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.GET;
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

/** What a text or a conversation becomes, and back; at the root, where vLLM has it, and by {@link EdgeRoutes} under {@code /v1}. */
@Path("/")
@ApplicationScoped
@Tag(name = "Tokens")
public class TokenizeResource {
    private final Exchanges exchanges;
    private final ServedChat served;
    private final RequestLimits limits;

    TokenizeResource(Exchanges exchanges, ServedChat served, RequestLimits limits) {
        this.exchanges = exchanges;
        this.served = served;
        this.limits = limits;
    }

    /** Ids, and their texts if asked for. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Tokens(
            int count,
            @JsonProperty("max_model_len") int maxModelLen,
            List<Integer> tokens,
            @JsonProperty("token_strs") List<String> tokenStrings) {}

    /** The text of ids. */
    public record Prompt(String prompt) {}

    /** Special tokens by their role; null where the model has none. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Info(
            @JsonProperty("bos_token") String bosToken,
            @JsonProperty("eos_token") String eosToken,
            @JsonProperty("pad_token") String padToken,
            @JsonProperty("chat_template") String chatTemplate) {}

    /** Takes {@code prompt}, or the body of a chat completion. */
    @POST
    @Path("tokenize")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Token ids of a text or a conversation", operationId = "tokenize")
    @RequestBody(content = @Content(mediaType = "application/json", schema = @Schema(ref = "TokenizeRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = Tokens.class)))
    public Uni<Response> tokenize(@Context RoutingContext call) {
        return exchanges.answerAtOnce(call, this::tokens);
    }

    private Tokens tokens(Fields fields) {
        Chat chat = chat(fields);
        ChatRequest.Prompt prompt = prompt(fields);
        boolean strings = fields.bool("return_token_strs", false);
        JsonBody.logUnknown(fields);
        int[] ids = chat.encode(prompt);
        List<String> texts = strings ? chat.tokenStrings(ids) : null;
        return new Tokens(
                ids.length,
                chat.model().contextMax(),
                Arrays.stream(ids).boxed().toList(),
                texts);
    }

    private ChatRequest.Prompt prompt(Fields fields) {
        if (fields.has("messages")) {
            return new ChatRequest.Messages(ChatFields.prompt(fields, limits));
        }
        String text = fields.string("prompt")
                .orElseThrow(() -> ServingException.invalid("prompt", "prompt: this or messages is required"));
        return new ChatRequest.Text(text, fields.bool("add_special_tokens", true));
    }

    /** Special tokens are shown. */
    @POST
    @Path("detokenize")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "The text of token ids", operationId = "detokenize")
    @RequestBody(content = @Content(mediaType = "application/json", schema = @Schema(ref = "DetokenizeRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = Prompt.class)))
    public Uni<Response> detokenize(@Context RoutingContext call) {
        return exchanges.answerAtOnce(call, this::text);
    }

    private Prompt text(Fields fields) {
        Chat chat = chat(fields);
        SamplingFields shared = new SamplingFields(fields, limits, ModelFacts.of(chat.model()));
        List<Integer> ids = fields.list("tokens", shared::tokenId).orElseThrow(() -> fields.missing("tokens"));
        return new Prompt(
                chat.detokenize(ids.stream().mapToInt(Integer::intValue).toArray()));
    }

    /** What lm-evaluation-harness asks for before it runs. */
    @GET
    @Path("tokenizer_info")
    @Operation(summary = "Special tokens and the chat template", operationId = "tokenizerInfo")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = Info.class)))
    public Response info() {
        ChatModel model = served.get().model();
        return Answers.json(new Info(
                model.bosToken().orElse(null),
                model.eosToken().orElse(null),
                model.padToken().orElse(null),
                model.templateText().orElse(null)));
    }

    /** These calls may leave the model out: all models share the base model's tokenizer. */
    private Chat chat(Fields fields) {
        Chat chat = served.get();
        fields.string("model")
                .ifPresent(name -> chat.catalog().acquire(name).release().run());
        return chat;
    }
}
