package dev.nightshift.chat;

import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.RenderedPrompt;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Requests to tokens, tokens to text. Whatever can be wrong with a request is found in {@link #complete}, before its first
 * event. Thread-safe.
 */
public final class Chat {
    private final ChatModel model;
    private final ModelCatalog catalog;
    private final TokenSource engine;
    private final int eventsMax;
    private final ChatMessages messages;
    private final int longestToken;

    /** @param eventsMax bound of the queue between the engine and the reader of a choice */
    public Chat(ChatModel model, ModelCatalog catalog, TokenSource engine, int eventsMax) {
        this.model = Objects.requireNonNull(model, "model is null");
        this.catalog = Objects.requireNonNull(catalog, "catalog is null");
        this.engine = Objects.requireNonNull(engine, "engine is null");
        this.eventsMax = eventsMax;
        this.longestToken = model.tokenizer().longestTokenBytes();
        this.messages = new ChatMessages(Stream.of("system", "user", "assistant")
                .filter(role -> takesParts(model, role))
                .collect(Collectors.toUnmodifiableSet())::contains);
    }

    /** A template takes parts from a role if it writes one part as it writes the same text given as a string. */
    private static boolean takesParts(ChatModel model, String role) {
        String text = "nightshift";
        Map<String, Object> part = new LinkedHashMap<>();
        part.put("type", "text");
        part.put("text", text);
        try {
            String written = probe(model, role, text);
            return written.contains(text) && written.equals(probe(model, role, List.of(part)));
        } catch (ServingException e) {
            return false; // it refuses parts, or there is no template at all, which requests will be told
        }
    }

    private static String probe(ChatModel model, String role, Object content) {
        List<Map<String, Object>> messages = new ArrayList<>();
        if (role.equals("assistant")) {
            messages.add(message("user", "a question"));
        }
        messages.add(message(role, content));
        if (!role.equals("user")) {
            messages.add(message("user", "a question"));
        }
        return model.template()
                .apply(new ChatPrompt(messages, null, null, true, false, Map.of()))
                .text();
    }

    private static Map<String, Object> message(String role, Object content) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    /** What requests are checked against. */
    public ChatModel model() {
        return model;
    }

    /** The names that a request may give. */
    public ModelCatalog catalog() {
        return catalog;
    }

    /**
     * Checks, renders, encodes and submits a request. May render and read an adapter, so not for event loop threads.
     *
     * @param ready called when the stream may have an event, on the engine's thread, also before this method returns; must
     *     neither block nor poll
     */
    public ChatStream complete(ChatRequest request, Runnable ready) {
        if (request.n() < 1) {
            throw ServingException.invalid("n", "n: " + request.n() + " is less than 1");
        }
        checkStops(request.stops());
        int[] ids = encodeShort(request);
        int maxNewTokens = room(ids.length, request);
        List<SequenceRequest> sequences = new ArrayList<>(request.n());
        // Once for all choices, which so have the same version whatever is published meanwhile.
        AdapterBinding adapter = catalog.acquire(request.model());
        AdapterBinding ofEach = adapter.shared(request.n());
        boolean taken = false;
        try {
            for (int choice = 0; choice < request.n(); choice++) {
                sequences.add(sequence(request, choice, ids, maxNewTokens, ofEach, ready));
            }
            List<? extends TokenSource.Tokens> tokens = engine.submit(sequences);
            taken = true;
            return new ChatStream(withTemplateStops(request), ids, model.tokenizer(), tokens);
        } finally {
            if (!taken) {
                adapter.release().run();
            }
        }
    }

    /** A template that the model was not trained with needs more than the model's end token. */
    private ChatRequest withTemplateStops(ChatRequest request) {
        boolean conversation = request.prompt() instanceof ChatRequest.Messages;
        return conversation && !model.stops().isEmpty() ? request.withMoreStops(model.stops()) : request;
    }

    private static void checkStops(List<String> stops) {
        for (String stop : stops) {
            if (stop.isEmpty()) {
                throw ServingException.invalid("stop", "stop: an empty string would end every answer at once");
            }
        }
    }

    private SequenceRequest sequence(
            ChatRequest request, int choice, int[] ids, int maxNewTokens, AdapterBinding adapter, Runnable ready) {
        return new SequenceRequest(
                ids,
                seeded(request.sampling(), choice),
                maxNewTokens,
                adapter,
                request.cacheSalt(),
                request.promptTopLogprobs(),
                eventsMax,
                request.deadline(),
                ready);
    }

    /** Choice 0 draws with the request's own seed, so that n = 1 and n > 1 begin alike. */
    private static SamplingParameters seeded(SamplingParameters sampling, int choice) {
        return new SamplingParameters(
                sampling.temperature(),
                sampling.topK(),
                sampling.topP(),
                sampling.minP(),
                sampling.repetitionPenalty(),
                sampling.presencePenalty(),
                sampling.frequencyPenalty(),
                choiceSeed(sampling.seed(), choice),
                sampling.logitBias(),
                sampling.stopIds(),
                sampling.minTokens(),
                sampling.ignoreEos(),
                sampling.topLogprobs());
    }

    /** Steps of the golden ratio through 64 bits never meet within 2^64 choices (Knuth, TAOCP 3, section 6.4). */
    static long choiceSeed(long seed, int choice) {
        return seed + choice * 0x9E3779B97F4A7C15L;
    }

    /** Tokens that the answer may have; a request that asks for more than fits is refused, not cut. */
    private int room(int promptTokens, ChatRequest request) {
        int context = model.contextMax();
        boolean scoresOnly = request.maxNewTokens().filter(max -> max == 0).isPresent();
        if (promptTokens > context - (scoresOnly ? 0 : 1)) {
            throw tooLong(
                    request,
                    "the prompt has %d tokens, but the context holds %d, of prompt and answer together"
                            .formatted(promptTokens, context));
        }
        int room = context - promptTokens;
        int wanted = request.maxNewTokens().orElse(room);
        if (wanted < 0) {
            throw ServingException.invalid("max_tokens", "max_tokens: " + wanted + " is less than 0");
        }
        if (wanted > room) {
            throw tooLong(
                    request,
                    "the prompt has %d tokens and max_tokens asks for %d more, %d together, but the context holds %d"
                            .formatted(promptTokens, wanted, (long) promptTokens + wanted, context));
        }
        return wanted;
    }

    /** Encodes what may fit: a text of megabytes would take the tokenizer many seconds before its tokens could be counted. */
    private int[] encodeShort(ChatRequest request) {
        switch (request.prompt()) {
            case ChatRequest.Ids ids -> {
                return encode(ids);
            }
            case ChatRequest.Text text -> {
                checkLength(request, text.text());
                return encode(text);
            }
            case ChatRequest.Messages chat -> {
                RenderedPrompt rendered = render(chat.chat());
                checkLength(request, rendered.text());
                return some(encode(rendered));
            }
        }
    }

    private void checkLength(ChatRequest request, String text) {
        long most = (long) model.contextMax() * longestToken;
        if (text.length() > most) {
            throw tooLong(
                    request,
                    "the prompt has %d characters, but the context holds %d tokens of at most %d characters, of prompt and answer together"
                            .formatted(text.length(), model.contextMax(), longestToken));
        }
    }

    private static ServingException tooLong(ChatRequest request, String message) {
        String param = switch (request.prompt()) {
            case ChatRequest.Messages chat -> "messages";
            case ChatRequest.Text text -> "prompt";
            case ChatRequest.Ids ids -> "prompt";
        };
        return new ServingException(ErrorCode.CONTEXT_LENGTH_EXCEEDED, message).withParam(param);
    }

    /** The ids that the model would see, as {@link #complete} makes them. */
    public int[] encode(ChatRequest.Prompt prompt) {
        int[] ids = switch (prompt) {
            case ChatRequest.Messages chat -> encode(render(chat.chat()));
            case ChatRequest.Text text -> model.tokenizer().encode(text.text(), text.addSpecialTokens());
            case ChatRequest.Ids given -> checked(given.ids());
        };
        return some(ids);
    }

    private static int[] some(int[] ids) {
        if (ids.length == 0) {
            throw ServingException.invalid("prompt", "the prompt has no tokens");
        }
        return ids;
    }

    /** The template writes its special tokens itself, BOS too, so none are added. */
    private int[] encode(RenderedPrompt rendered) {
        int[] untrusted = new int[2 * rendered.untrusted().size()];
        for (int i = 0; i < rendered.untrusted().size(); i++) {
            untrusted[2 * i] = rendered.untrusted().get(i).from();
            untrusted[2 * i + 1] = rendered.untrusted().get(i).to();
        }
        return model.tokenizer().encodeRendered(rendered.text(), untrusted);
    }

    /** A chat as the model's template writes it. */
    public RenderedPrompt render(ChatPrompt chat) {
        return model.template().apply(messages.normalise(chat));
    }

    private int[] checked(int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= model.vocabSize()) {
                throw ServingException.invalid(
                        "prompt",
                        "prompt[%d]: token id %d is not between 0 and %d".formatted(i, ids[i], model.vocabSize() - 1));
            }
        }
        return ids.clone();
    }

    /** The text of ids, special tokens shown. */
    public String detokenize(int[] ids) {
        return model.tokenizer().decode(ids, false);
    }

    /** Tokens as the vocabulary spells them. */
    public List<String> tokenStrings(int[] ids) {
        List<String> strings = new ArrayList<>(ids.length);
        for (int id : ids) {
            strings.add(model.tokenizer().vocabularyText(id));
        }
        return strings;
    }
}
