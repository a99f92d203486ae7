package dev.nightshift.train.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The shapes that rows come in. */
public enum DatasetFormat {
    /** {@code messages}, and {@code tools} or {@code functions}. */
    CHAT,
    /** {@code prompt} and {@code completion}, or {@code input} and {@code output}: texts, or lists of messages. */
    COMPLETION,
    /** {@code text}: a dialogue under {@code ### Human:} and {@code ### Assistant:}. */
    GUANACO,
    /** {@code text}: learnt as a whole. */
    TEXT,
    /** {@code instruction}, {@code input}, {@code output}. */
    ALPACA,
    /** {@code conversations} of {@code from} and {@code value}. */
    SHAREGPT,
    /** {@code chosen} and {@code rejected}, dialogues under {@code Human:} and {@code Assistant:}. */
    HH_RLHF,
    /** A prompt with a better and a worse answer, in OpenAI's spellings or as {@code prompt}, {@code chosen}, {@code rejected}. */
    PREFERENCE,
    /** {@code prompt}, {@code completion}, {@code label}. */
    KTO;

    /** As settings spell it. */
    String wire() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** What a row can be read as, the likeliest first; empty if it is nothing known. */
    static List<DatasetFormat> fitting(JsonNode row) {
        List<DatasetFormat> fitting = new ArrayList<>();
        for (DatasetFormat format :
                List.of(KTO, CHAT, SHAREGPT, HH_RLHF, PREFERENCE, ALPACA, COMPLETION, GUANACO, TEXT)) {
            if (format.fits(row)) {
                fitting.add(format);
            }
        }
        return fitting;
    }

    private boolean fits(JsonNode row) {
        return switch (this) {
            case CHAT -> row.has("messages");
            case COMPLETION -> row.has("prompt") && row.has("completion") || row.has("input") && row.has("output");
            case GUANACO -> DialogueText.GUANACO.matches(row.path("text").asText());
            case TEXT -> row.has("text");
            case ALPACA -> row.has("instruction");
            case SHAREGPT -> row.has("conversations");
            case HH_RLHF ->
                !row.has("prompt")
                        && DialogueText.HH.matches(row.path("chosen").asText())
                        && DialogueText.HH.matches(row.path("rejected").asText());
            case PREFERENCE ->
                row.has("chosen") && row.has("rejected")
                        || row.has("preferred_output")
                        || row.has("preferred_completion");
            case KTO -> row.has("prompt") && row.has("completion") && row.has("label");
        };
    }

    /** Whether rows of this format can serve a goal. */
    boolean serves(DatasetOptions.Goal goal) {
        return switch (goal) {
            case SUPERVISED -> this != PREFERENCE && this != KTO;
            case PAIRS -> this == PREFERENCE || this == HH_RLHF;
            case RATED -> this == KTO || this == PREFERENCE || this == HH_RLHF;
        };
    }

    /** The format of a row for a goal: the likeliest that serves it. */
    static Optional<DatasetFormat> recognise(JsonNode row, DatasetOptions.Goal goal) {
        return fitting(row).stream().filter(format -> format.serves(goal)).findFirst();
    }
}
