package dev.nightshift.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds added tokens in text as the tokenizers library does: leftmost, then longest, without overlap, those that are looked
 * for before normalisation first. Control tokens are seen only outside the untrusted ranges.
 */
final class AddedTokenScan {

    /** A control token at characters {@code from} to {@code to}. */
    record Found(AddedToken token, int from, int to) {}

    private static final class Node {
        final Map<Character, Node> next = new HashMap<>();
        AddedToken token;
    }

    private final Node beforeNormalisation = new Node();
    private final Node afterNormalisation = new Node();
    private final boolean anyAfter;

    AddedTokenScan(List<AddedToken> tokens) {
        for (AddedToken token : tokens) {
            Node node = token.normalized() ? afterNormalisation : beforeNormalisation;
            for (char c : token.content().toCharArray()) {
                node = node.next.computeIfAbsent(c, key -> new Node());
            }
            node.token = token;
        }
        anyAfter = !afterNormalisation.next.isEmpty();
    }

    /**
     * The control tokens that lie wholly outside the untrusted ranges.
     *
     * @param untrusted start and end of each range in turn, in order
     */
    List<Found> controls(String text, int[] untrusted) {
        List<Found> found = new ArrayList<>();
        scan(beforeNormalisation, text, 0, text.length(), untrusted, found);
        if (anyAfter) {
            List<Found> all = new ArrayList<>();
            int from = 0;
            for (Found first : found) {
                scan(afterNormalisation, text, from, first.from(), untrusted, all);
                all.add(first);
                from = first.to();
            }
            scan(afterNormalisation, text, from, text.length(), untrusted, all);
            found = all;
        }
        found.removeIf(each -> !each.token().special());
        return found;
    }

    private static void scan(Node root, String text, int from, int to, int[] untrusted, List<Found> found) {
        int range = 0; // the first range that ends behind the position
        for (int at = from; at < to; ) {
            while (range < untrusted.length
                    && (untrusted[range + 1] <= at || untrusted[range] == untrusted[range + 1])) {
                range += 2;
            }
            int trustedUntil = range >= untrusted.length ? to : untrusted[range];
            AddedToken longest = null;
            Node node = root;
            for (int i = at; i < to; i++) {
                node = node.next.get(text.charAt(i));
                if (node == null) {
                    break;
                }
                if (node.token != null && (!node.token.special() || i < trustedUntil)) {
                    longest = node.token;
                }
            }
            if (longest == null) {
                at++;
                continue;
            }
            int end = at + longest.content().length();
            if (!longest.singleWord() || standsAlone(text, at, end)) {
                found.add(new Found(longest, at, end));
            }
            at = end;
        }
    }

    private static boolean standsAlone(String text, int from, int to) {
        return (from == 0 || !isWordPart(text.codePointBefore(from)))
                && (to == text.length() || !isWordPart(text.codePointAt(to)));
    }

    /** What {@code \w} is to Rust's regex: alphabetic, marks, decimal digits, connectors, join controls. */
    private static boolean isWordPart(int codePoint) {
        if (codePoint == 0x200C || codePoint == 0x200D) {
            return true;
        }
        return switch (Character.getType(codePoint)) {
            case Character.NON_SPACING_MARK,
                    Character.ENCLOSING_MARK,
                    Character.COMBINING_SPACING_MARK,
                    Character.DECIMAL_DIGIT_NUMBER,
                    Character.CONNECTOR_PUNCTUATION -> true;
            default -> Character.isAlphabetic(codePoint);
        };
    }
}
