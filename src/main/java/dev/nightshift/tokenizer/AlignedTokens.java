package dev.nightshift.tokenizer;

import java.util.Arrays;
import java.util.stream.Stream;

/**
 * Tokens and the characters they come from. Several tokens may share a character, of which each is a part.
 *
 * @param from first character of each token, UTF-16 units
 * @param to behind its last character
 */
public record AlignedTokens(int[] ids, int[] from, int[] to) {

    /** These with tokens around them that come from no character of the text. */
    AlignedTokens between(int[] lead, int[] tail, int textLength) {
        int size = lead.length + ids.length + tail.length;
        int[] allFrom = new int[size];
        System.arraycopy(from, 0, allFrom, lead.length, from.length);
        Arrays.fill(allFrom, lead.length + from.length, size, textLength);
        int[] allTo = new int[size];
        System.arraycopy(to, 0, allTo, lead.length, to.length);
        Arrays.fill(allTo, lead.length + to.length, size, textLength);
        int[] allIds = Stream.of(lead, ids, tail).flatMapToInt(Arrays::stream).toArray();
        return new AlignedTokens(allIds, allFrom, allTo);
    }
}
