package dev.nightshift.api.http;

import dev.nightshift.chat.ChatRequest;
import java.util.List;
import java.util.Optional;

/**
 * The model behind this API, loading or loaded. Every method that needs a loaded model throws {@code UNAVAILABLE} while there is
 * none, or while the server drains, and {@code MODEL_NOT_FOUND} for a name that it does not serve.
 */
public interface ServedModel {

    /** Why the server cannot answer yet or any more; empty = it can. */
    Optional<String> notReady();

    /** Why it never will again without a restart; empty = it may. */
    Optional<String> dead();

    /** The base model first. */
    List<Served> models();

    ModelFacts facts(String model);

    /**
     * Renders, encodes and admits a prompt. May take milliseconds: not for an event loop.
     *
     * @param eventsReady called from the engine's thread when events wait; must not block
     */
    PromptEvents open(ChatRequest request, Runnable eventsReady);

    /** The ids that a prompt becomes. */
    int[] tokenize(String model, ChatRequest.Prompt prompt);

    /** The text of ids, special tokens shown. */
    String detokenize(String model, int[] ids);

    TokenizerFacts tokenizer(String model);

    /**
     * A name that requests may give.
     *
     * @param created seconds since 1970
     * @param root the folder or hub id behind it
     * @param parent the base model of an adapter, else null
     */
    record Served(String id, long created, String root, String parent, int contextMax) {}

    /** What evaluation harnesses ask for; null where the model has none. */
    record TokenizerFacts(String bosToken, String eosToken, String padToken, String chatTemplate) {}
}
