package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The body of {@code POST /v1/completions}, field by field. */
final class CompletionFields {
    /** OpenAI's default of {@code max_tokens}. */
    private static final int MAX_TOKENS = 16;

    private final Fields fields;
    private final RequestLimits limits;
    private final SamplingFields shared;

    private CompletionFields(Fields fields, RequestLimits limits, ModelFacts model) {
        this.fields = fields;
        this.limits = limits;
        this.shared = new SamplingFields(fields, limits, model);
    }

    static CompletionCall read(Fields fields, RequestLimits limits, ModelFacts model) {
        return new CompletionFields(fields, limits, model).call();
    }

    private CompletionCall call() {
        String name = fields.requiredString("model");
        StreamFields streaming = StreamFields.read(fields);
        List<ChatRequest.Prompt> prompts = prompts(fields.bool("add_special_tokens", true));
        if (fields.string("suffix").filter(suffix -> !suffix.isEmpty()).isPresent()) {
            throw ServingException.invalid("suffix", "suffix: not supported by this server");
        }
        shared.refuseAndAccept();
        boolean echo = fields.bool("echo", false);
        int logprobs = fields.integer("logprobs", 0, limits.logprobs()).orElse(-1);
        int maxTokens = maxTokens(echo);
        int n = shared.choices(prompts.size());
        checkBestOf(n);
        SamplingParameters sampling = shared.sampling(logprobs);
        SamplingFields.checkMinTokens(sampling, Optional.of(maxTokens));
        int promptLogprobs = shared.promptLogprobs(streaming.stream());
        int promptScores = echo ? Math.max(promptLogprobs, logprobs) : promptLogprobs;
        boolean seeded = shared.seed().isPresent();
        List<String> stops = shared.stops();
        boolean includeStop = fields.bool("include_stop_str_in_output", false);
        boolean skipSpecial = fields.bool("skip_special_tokens", true);
        String salt = fields.string("cache_salt").orElse("");
        List<ChatRequest> requests = prompts.stream()
                .map(prompt -> new ChatRequest(
                        name,
                        prompt,
                        sampling,
                        seeded,
                        Optional.of(maxTokens),
                        stops,
                        includeStop,
                        skipSpecial,
                        n,
                        promptScores,
                        salt,
                        Optional.empty()))
                .toList();
        return new CompletionCall(requests, streaming, echo, logprobs, promptLogprobs >= 0, TokenForm.read(fields));
    }

    private int maxTokens(boolean echo) {
        int max = fields.integer("max_tokens", 0, Integer.MAX_VALUE).orElse(MAX_TOKENS);
        if (max == 0 && !echo) {
            throw ServingException.invalid("max_tokens", "max_tokens: 0 is only allowed with echo");
        }
        return max;
    }

    private void checkBestOf(int n) {
        int bestOf = fields.integer("best_of", 1, limits.bestOf()).orElse(n);
        if (bestOf != n) {
            throw ServingException.invalid(
                    "best_of", "best_of: " + bestOf + " differs from n = " + n + "; ranking is not supported");
        }
    }

    private List<ChatRequest.Prompt> prompts(boolean addSpecialTokens) {
        fields.refuse("prompt_embeds", "not supported by this server");
        JsonNode prompt = fields.value("prompt").orElseThrow(() -> fields.missing("prompt"));
        List<ChatRequest.Prompt> prompts = new ArrayList<>();
        switch (prompt) {
            case JsonNode text when text.isTextual() -> prompts.add(text(text, "prompt", addSpecialTokens));
            case ArrayNode list
            when list.isEmpty() -> throw ServingException.invalid("prompt", "prompt: an empty list holds no prompt");
            case ArrayNode ids when ids.get(0).isNumber() -> prompts.add(ids(ids, "prompt"));
            case ArrayNode list -> {
                if (list.size() > limits.prompts()) {
                    throw ServingException.invalid(
                            "prompt",
                            "prompt: %d prompts, at most %d are allowed".formatted(list.size(), limits.prompts()));
                }
                for (int i = 0; i < list.size(); i++) {
                    prompts.add(item(list.get(i), "prompt[" + i + "]", addSpecialTokens));
                }
            }
            case JsonNode other ->
                throw Fields.wrongType("prompt", "a string, a list of strings, token ids or a list of them", other);
        }
        return prompts;
    }

    private ChatRequest.Prompt item(JsonNode value, String at, boolean addSpecialTokens) {
        return value instanceof ArrayNode ids ? ids(ids, at) : text(value, at, addSpecialTokens);
    }

    private static ChatRequest.Prompt text(JsonNode value, String at, boolean addSpecialTokens) {
        String text = Fields.asString(value, at);
        if (text.isEmpty()) {
            throw ServingException.invalid(at, at + ": an empty prompt cannot be continued");
        }
        return new ChatRequest.Text(text, addSpecialTokens);
    }

    private ChatRequest.Prompt ids(ArrayNode array, String at) {
        if (array.isEmpty()) {
            throw ServingException.invalid(at, at + ": an empty prompt cannot be continued");
        }
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = shared.tokenId(array.get(i), at + "[" + i + "]");
        }
        return new ChatRequest.Ids(ids);
    }
}
