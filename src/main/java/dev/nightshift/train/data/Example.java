package dev.nightshift.train.data;

import dev.nightshift.train.Segment;
import java.util.List;
import java.util.Map;

/** What a row says, before it is tokens. */
sealed interface Example {

    /**
     * Goes through the chat template; ends with the assistant.
     *
     * @param tools null = none
     * @param weights of each message; 0 for all but the assistant's
     */
    record Dialogue(List<Map<String, Object>> messages, List<Object> tools, float[] weights) implements Example {}

    /** A text to go on from, and how it goes on. */
    record Completion(String prompt, String completion) implements Example {}

    /** Pieces of one text. */
    record Plain(List<Piece> pieces) implements Example {}

    /** A piece of a text and the weight of its tokens. */
    record Piece(String text, float weight) {}

    /** What an example is to the loss. */
    record Labelled(Segment.Role role, Example example) {}
}
