package dev.nightshift.api.grpc;

import dev.nightshift.chat.ChatRequest;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.CompleteRequest;
import dev.nightshift.proto.v1.Prompt;
import dev.nightshift.proto.v1.Sampling;
import dev.nightshift.proto.v1.TokenIds;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** A request message, checked, as the domain takes it. Every refusal names its field as the proto file spells it. */
final class RequestReader {
    private final RequestTerms terms;

    RequestReader(RequestTerms terms) {
        this.terms = terms;
    }

    ChatRequest read(CompleteRequest request, Optional<Instant> deadline) {
        Optional<Integer> maxTokens =
                request.hasMaxTokens() ? Optional.of(maxTokens(request.getMaxTokens())) : Optional.empty();
        Sampling sampling = request.getSampling();
        int top = request.hasTopLogprobs() ? logprobs("top_logprobs", request.getTopLogprobs()) : -1;
        SamplingParameters parameters = sampling(sampling, top);
        if (maxTokens.isPresent() && parameters.minTokens() > maxTokens.get()) {
            throw ServingException.invalid(
                    "sampling.min_tokens",
                    "sampling.min_tokens: %d is more than the %d tokens that the answer may have"
                            .formatted(parameters.minTokens(), maxTokens.get()));
        }
        return new ChatRequest(
                model(request.getModel()),
                prompt(request.getPrompt()),
                parameters,
                sampling.hasSeed(),
                maxTokens,
                stops(request.getStopList()),
                request.getIncludeStop(),
                !request.hasSkipSpecialTokens() || request.getSkipSpecialTokens(),
                choices(request),
                request.hasPromptTopLogprobs() ? logprobs("prompt_top_logprobs", request.getPromptTopLogprobs()) : -1,
                request.getCacheSalt(),
                deadline);
    }

    String model(String named) {
        return named.isEmpty() ? terms.baseModel() : named;
    }

    ChatRequest.Prompt prompt(Prompt prompt) {
        return switch (prompt.getKindCase()) {
            case CHAT ->
                new ChatRequest.Messages(
                        ConversationReader.read(prompt.getChat(), terms.limits().messages()));
            case TEXT ->
                new ChatRequest.Text(
                        prompt.getText().getText(),
                        !prompt.getText().hasAddSpecialTokens()
                                || prompt.getText().getAddSpecialTokens());
            case IDS -> new ChatRequest.Ids(ids("prompt.ids", prompt.getIds()));
            case KIND_NOT_SET ->
                throw ServingException.invalid("prompt", "prompt: one of chat, text and ids is needed");
        };
    }

    private int[] ids(String field, TokenIds ids) {
        if (ids.getIdsCount() == 0) {
            throw ServingException.invalid(field, field + ": at least one token id is needed");
        }
        return tokenIds(field, ids.getIdsList());
    }

    /** Ids that the vocabulary has. */
    int[] tokenIds(String field, List<Integer> ids) {
        return ids.stream().mapToInt(id -> tokenId(field, id)).toArray();
    }

    private int tokenId(String field, int unsigned) {
        if (unsigned < 0 || unsigned >= terms.vocabSize()) {
            throw ServingException.invalid(
                    field,
                    "%s: token id %d is not between 0 and %d"
                            .formatted(field, Integer.toUnsignedLong(unsigned), terms.vocabSize() - 1));
        }
        return unsigned;
    }

    private SamplingParameters sampling(Sampling given, int topLogprobs) {
        SamplingParameters absent = terms.defaults();
        return new SamplingParameters(
                given.hasTemperature() ? range("temperature", given.getTemperature(), 0, 2) : absent.temperature(),
                given.hasTopK() ? atMost("sampling.top_k", given.getTopK(), 0, Integer.MAX_VALUE) : absent.topK(),
                given.hasTopP() ? positive("top_p", given.getTopP(), 1) : absent.topP(),
                given.hasMinP() ? range("min_p", given.getMinP(), 0, 1) : absent.minP(),
                given.hasRepetitionPenalty()
                        ? positive("repetition_penalty", given.getRepetitionPenalty(), 100)
                        : absent.repetitionPenalty(),
                given.hasPresencePenalty()
                        ? range("presence_penalty", given.getPresencePenalty(), -2, 2)
                        : absent.presencePenalty(),
                given.hasFrequencyPenalty()
                        ? range("frequency_penalty", given.getFrequencyPenalty(), -2, 2)
                        : absent.frequencyPenalty(),
                given.hasSeed() ? given.getSeed() : ThreadLocalRandom.current().nextLong(),
                logitBias(given),
                stopIds(given),
                atMost("sampling.min_tokens", given.getMinTokens(), 0, terms.contextMax()),
                given.getIgnoreEos(),
                topLogprobs);
    }

    private Map<Integer, Float> logitBias(Sampling given) {
        if (given.getLogitBiasCount() > terms.limits().logitBias()) {
            throw ServingException.invalid(
                    "sampling.logit_bias",
                    "sampling.logit_bias: %d entries, at most %d are allowed"
                            .formatted(given.getLogitBiasCount(), terms.limits().logitBias()));
        }
        Map<Integer, Float> biases = new LinkedHashMap<>();
        given.getLogitBiasMap()
                .forEach((id, bias) ->
                        biases.put(tokenId("sampling.logit_bias", id), range("logit_bias", bias, -100, 100)));
        return biases;
    }

    private List<Integer> stopIds(Sampling given) {
        String field = "sampling.stop_token_ids";
        atMost(field, given.getStopTokenIdsCount(), 0, terms.limits().stops());
        given.getStopTokenIdsList().forEach(id -> tokenId(field, id));
        return given.getStopTokenIdsList();
    }

    private List<String> stops(List<String> stops) {
        atMost("stop", stops.size(), 0, terms.limits().stops());
        for (String stop : stops) {
            if (stop.isEmpty()) {
                throw ServingException.invalid("stop", "stop: an empty string would end every answer at once");
            }
            if (stop.length() > terms.limits().stopLength()) {
                throw ServingException.invalid(
                        "stop",
                        "stop: a string of %d characters, at most %d are allowed"
                                .formatted(stop.length(), terms.limits().stopLength()));
            }
        }
        return stops;
    }

    private int choices(CompleteRequest request) {
        int n = request.hasN() ? atMost("n", request.getN(), 1, terms.limits().choices()) : 1;
        return atMost("n", n, 1, terms.limits().sequences());
    }

    private int maxTokens(int given) {
        return atMost("max_tokens", given, 1, Integer.MAX_VALUE);
    }

    private int logprobs(String field, int given) {
        return atMost(field, given, 0, terms.limits().logprobs());
    }

    private static int atMost(String field, int unsigned, int least, int most) {
        long value = Integer.toUnsignedLong(unsigned);
        if (value < least || value > most) {
            throw ServingException.invalid(
                    field, "%s: %d is not between %d and %d".formatted(field, value, least, most));
        }
        return unsigned;
    }

    /** NaN fails every comparison, so it is refused too. */
    private static float range(String name, float value, float least, float most) {
        if (!(value >= least && value <= most)) {
            String field = "sampling." + name;
            throw ServingException.invalid(
                    field, "%s: %s is not between %s and %s".formatted(field, value, least, most));
        }
        return value;
    }

    private static float positive(String name, float value, float most) {
        range(name, value, 0, most);
        if (value == 0) {
            throw ServingException.invalid("sampling." + name, "sampling." + name + ": 0 is not greater than 0");
        }
        return value;
    }
}
