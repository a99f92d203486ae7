package dev.nightshift.chat;

import java.util.List;

/**
 * Looks for several strings in a text that arrives in pieces, character by character (Knuth, Morris and Pratt 1977), so the
 * result does not depend on how it was cut. One text, not thread-safe.
 */
final class StopStrings {
    private final char[][] patterns;
    private final int[][] borders; // borders[p][k]: longest proper border of the first k characters of pattern p
    private final int[] matched; // characters of each pattern that the text ends with

    StopStrings(List<String> stops) {
        patterns = new char[stops.size()][];
        borders = new int[stops.size()][];
        matched = new int[stops.size()];
        for (int p = 0; p < patterns.length; p++) {
            if (stops.get(p).isEmpty()) {
                throw new IllegalStateException("stop string " + p + " is empty");
            }
            patterns[p] = stops.get(p).toCharArray();
            borders[p] = borders(patterns[p]);
        }
    }

    private static int[] borders(char[] pattern) {
        int[] borders = new int[pattern.length + 1];
        int border = 0;
        for (int k = 1; k < pattern.length; k++) {
            while (border > 0 && pattern[border] != pattern[k]) {
                border = borders[border];
            }
            if (pattern[border] == pattern[k]) {
                border++;
            }
            borders[k + 1] = border;
        }
        return borders;
    }

    /** The index of the stop string that ends with this character, the longest if several do, or -1. */
    int next(char c) {
        int longest = -1;
        for (int p = 0; p < patterns.length; p++) {
            int k = matched[p];
            while (k > 0 && patterns[p][k] != c) {
                k = borders[p][k];
            }
            if (patterns[p][k] == c) {
                k++;
            }
            if (k == patterns[p].length) {
                if (longest < 0 || k > patterns[longest].length) {
                    longest = p;
                }
                k = borders[p][k];
            }
            matched[p] = k;
        }
        return longest;
    }

    /** Characters at the end of the text that may be the beginning of a stop string. */
    int heldBack() {
        int most = 0;
        for (int k : matched) {
            most = Math.max(most, k);
        }
        return most;
    }
}
