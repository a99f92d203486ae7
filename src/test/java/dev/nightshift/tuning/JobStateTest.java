package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class JobStateTest {
    private static final Pattern NAME = Pattern.compile("`([a-z_]+)`");

    /** Rows of the table in docs/tuning.md: states before the bar, and what may follow. */
    @Test
    void theDocumentsTableIsTheOneThatHolds() throws IOException {
        Map<String, Set<String>> written = new TreeMap<>();
        String text = Files.readString(Path.of("docs/tuning.md"));
        String table = text.substring(text.indexOf("## States"), text.indexOf("Row, files and"));
        for (String line : table.split("\n")) {
            String[] cells = line.split("\\|");
            if (cells.length < 3 || !cells[1].contains("`")) {
                continue;
            }
            Set<String> next = names(cells[2]);
            names(cells[1]).forEach(state -> written.put(state, next));
        }
        Map<String, Set<String>> real = new TreeMap<>();
        for (JobState state : JobState.values()) {
            Set<String> next = new TreeSet<>();
            state.next().forEach(each -> next.add(each.wire()));
            real.put(state.wire(), next);
        }
        assertThat(written).isEqualTo(real);
    }

    private static Set<String> names(String cell) {
        Set<String> names = new TreeSet<>();
        Matcher matcher = NAME.matcher(cell);
        while (matcher.find()) {
            names.add(matcher.group(1));
        }
        return names;
    }
}
