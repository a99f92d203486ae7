package dev.nightshift.train.data;

import java.util.Objects;
import java.util.Optional;

/**
 * How files are to be read.
 *
 * @param format of all files; empty = each file's is recognised from its first row
 * @param trainOnInputs loss on every token, not the assistant's alone
 * @param sequenceMax tokens of a sample, and of each answer of a pair; longer ones are cut at the end
 * @param seed of the draw where a file's weight is no whole number
 * @param rowsMin fewer are refused
 */
public record DatasetOptions(
        Goal goal,
        Optional<DatasetFormat> format,
        Rendering rendering,
        boolean trainOnInputs,
        int sequenceMax,
        long seed,
        int rowsMin) {
    /** OpenAI refuses training files of fewer rows. */
    public static final int TRAINING_ROWS_MIN = 10;

    /** What rows are for. */
    public enum Goal {
        SUPERVISED,
        /** Two answers, one better: DPO, ORPO. */
        PAIRS,
        /** Answers marked good or bad: KTO; a pair is one of each. */
        RATED
    }

    /** How rows become text. */
    public enum Rendering {
        /** Dialogues through the chat template; prompts and completions that are texts as they are. */
        AUTO,
        /** Everything through the chat template, a prompt as the user's message, but for {@code text}. */
        CHAT,
        /** Guanaco and Alpaca rows as the texts of their papers, without the model's template. */
        PLAIN
    }

    public DatasetOptions {
        Objects.requireNonNull(goal, "goal is null");
        Objects.requireNonNull(rendering, "rendering is null");
        if (sequenceMax < 2) {
            throw new IllegalStateException("samples of " + sequenceMax + " tokens have no target");
        }
    }
}
