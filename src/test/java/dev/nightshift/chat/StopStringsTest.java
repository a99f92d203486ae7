package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class StopStringsTest {

    @Test
    void findsWhatASearchOfTheWholeTextFindsAndHoldsBackOnlyTruePrefixes() {
        Random random = new Random(11);
        for (int round = 0; round < 3000; round++) {
            List<String> stops = new ArrayList<>();
            for (int i = random.nextInt(4); i >= 0; i--) {
                stops.add(word(random, 1 + random.nextInt(5)));
            }
            String text = word(random, 12);
            StopStrings search = new StopStrings(stops);
            for (int end = 1; end <= text.length(); end++) {
                String head = text.substring(0, end);
                int found = search.next(head.charAt(end - 1));
                String want = stops.stream()
                        .filter(head::endsWith)
                        .max((a, b) -> a.length() - b.length())
                        .orElse(null);
                assertThat(found < 0 ? null : stops.get(found))
                        .as(stops + " in " + head)
                        .isEqualTo(want);
                int held = 0;
                for (String stop : stops) {
                    for (int k = 1; k < stop.length(); k++) {
                        held = head.endsWith(stop.substring(0, k)) ? Math.max(held, k) : held;
                    }
                }
                assertThat(search.heldBack()).as(stops + " in " + head).isEqualTo(held);
            }
        }
    }

    /** Two letters only, so that strings overlap themselves and each other. */
    private static String word(Random random, int length) {
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < length; i++) {
            word.append(random.nextInt(3) == 0 ? 'b' : 'a');
        }
        return word.toString();
    }

    @Test
    void anEmptyStopStringIsOurOwnMistake() {
        assertThatThrownBy(() -> new StopStrings(List.of("a", ""))).isInstanceOf(IllegalStateException.class);
    }
}
