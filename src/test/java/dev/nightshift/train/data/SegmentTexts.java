package dev.nightshift.train.data;

import dev.nightshift.train.Segment;
import java.util.stream.IntStream;

/** Segments as text again. */
final class SegmentTexts {
    private SegmentTexts() {}

    /** Of what is learnt. */
    static String learnt(Conversations conversations, Segment segment) {
        int[] ids = IntStream.range(0, segment.ids().length)
                .filter(i -> segment.weights()[i] > 0)
                .map(i -> segment.ids()[i])
                .toArray();
        return conversations.tokenizer().decode(ids, false);
    }

    static String whole(Conversations conversations, Segment segment) {
        return conversations.tokenizer().decode(segment.ids(), false);
    }
}
