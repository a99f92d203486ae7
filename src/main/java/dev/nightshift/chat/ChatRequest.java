package dev.nightshift.chat;

import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.template.ChatPrompt;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A request after the wire: HTTP and gRPC both end here.
 *
 * @param model as the client named it
 * @param sampling {@code seed} is the request's own; choice i of n draws with a seed derived from it and i
 * @param seeded whether the client gave the seed
 * @param maxNewTokens empty = up to the context's end
 * @param stops strings that end the text and are not part of it
 * @param includeStop keep the stop string in the text
 * @param n choices per prompt
 * @param deadline after which the request is given up
 */
public record ChatRequest(
        String model,
        Prompt prompt,
        SamplingParameters sampling,
        boolean seeded,
        Optional<Integer> maxNewTokens,
        List<String> stops,
        boolean includeStop,
        boolean skipSpecialTokens,
        int n,
        int promptTopLogprobs,
        String cacheSalt,
        Optional<Instant> deadline) {
    public ChatRequest {
        Objects.requireNonNull(model, "model is null");
        Objects.requireNonNull(prompt, "prompt is null");
        Objects.requireNonNull(sampling, "sampling is null");
        stops = List.copyOf(stops);
    }

    /** The same request, ended by these strings too. */
    ChatRequest withMoreStops(List<String> more) {
        List<String> all = new ArrayList<>(stops);
        all.addAll(more);
        return new ChatRequest(
                model,
                prompt,
                sampling,
                seeded,
                maxNewTokens,
                all,
                includeStop,
                skipSpecialTokens,
                n,
                promptTopLogprobs,
                cacheSalt,
                deadline);
    }

    /** What is to be continued. */
    public sealed interface Prompt {}

    /** Messages through the model's chat template. */
    public record Messages(ChatPrompt chat) implements Prompt {}

    /**
     * A raw prompt: the literals of special tokens are these tokens, as clients that render a template themselves expect;
     * {@code addSpecialTokens} puts around it what tokenizer.json says (BOS, EOS).
     */
    public record Text(String text, boolean addSpecialTokens) implements Prompt {}

    /** Token ids, taken as they are. */
    public record Ids(int[] ids) implements Prompt {}
}
