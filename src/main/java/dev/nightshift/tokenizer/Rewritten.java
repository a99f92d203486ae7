package dev.nightshift.tokenizer;

import java.util.List;
import java.util.Map;

/**
 * A text whose control tokens have their secret names.
 *
 * @param origins for each code point of {@code text}, and its end, the UTF-16 position in the text before
 */
record Rewritten(String text, int[] origins) {

    static Rewritten asItIs(String text) {
        return of(text, List.of(), Map.of());
    }

    static Rewritten of(String text, List<AddedTokenScan.Found> controls, Map<AddedToken, String> names) {
        StringBuilder rewritten = new StringBuilder(text.length() + 64);
        int[] origins = new int
                [text.length()
                        + 1
                        + controls.stream()
                                .mapToInt(each -> names.get(each.token()).length())
                                .sum()];
        int count = 0;
        int at = 0;
        for (AddedTokenScan.Found found : controls) {
            count = plain(text, at, found.from(), origins, count);
            String name = names.get(found.token());
            rewritten.append(text, at, found.from()).append(name);
            for (int i = 0; i < name.length(); i++) {
                origins[count++] = found.from();
            }
            at = found.to();
        }
        count = plain(text, at, text.length(), origins, count);
        rewritten.append(text, at, text.length());
        origins[count] = text.length();
        return new Rewritten(rewritten.toString(), origins);
    }

    private static int plain(String text, int from, int to, int[] origins, int count) {
        int next = count;
        for (int i = from; i < to; i += Character.charCount(text.codePointAt(i))) {
            origins[next++] = i;
        }
        return next;
    }
}
