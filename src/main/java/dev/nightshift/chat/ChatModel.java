package dev.nightshift.chat;

import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.RenderedPrompt;
import dev.nightshift.tokenizer.Tokenizer;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;

/**
 * What chat knows of the resident model. Adapters share all of it.
 *
 * @param template the model's chat template; throws INVALID_REQUEST with the template's own words, or where there is none
 * @param templateText the template's source, for clients that look at it
 * @param vocabSize rows of the embedding: ids below it can be computed
 * @param contextMax tokens of prompt and answer together
 * @param bosToken as tokenizer_config.json names it, and so on
 * @param sampling of requests that say nothing: generation_config.json's, else temperature 1 and no cut
 * @param stops strings that end the answers to conversations, where the template is none of the model's own
 * @param digest of weights and tokenizer: another one may answer the same seed with another text
 */
public record ChatModel(
        Tokenizer tokenizer,
        Function<ChatPrompt, RenderedPrompt> template,
        Optional<String> templateText,
        int vocabSize,
        int contextMax,
        Optional<String> bosToken,
        Optional<String> eosToken,
        Optional<String> padToken,
        SamplingParameters sampling,
        List<String> stops,
        String digest) {
    public ChatModel {
        Objects.requireNonNull(tokenizer, "tokenizer is null");
        Objects.requireNonNull(template, "template is null");
        Objects.requireNonNull(templateText, "templateText is null");
        Objects.requireNonNull(sampling, "sampling is null");
        stops = List.copyOf(stops);
        Objects.requireNonNull(digest, "digest is null");
        if (vocabSize < 1 || contextMax < 2) {
            throw new IllegalStateException("vocabulary of " + vocabSize + ", context of " + contextMax);
        }
    }
}
