package dev.nightshift.jsonl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonLinesTest {
    @TempDir
    Path folder;

    private static List<String> rows(byte[] bytes) throws Exception {
        List<String> rows = new ArrayList<>();
        try (JsonLines lines = new JsonLines(new ByteArrayInputStream(bytes))) {
            Optional<JsonLines.Row> row;
            while ((row = lines.next()).isPresent()) {
                rows.add(row.get().line() + ":" + row.get().value());
            }
        }
        return rows;
    }

    private static List<String> rows(String text) throws Exception {
        return rows(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void markBlankLinesAndCarriageReturnsArePassedOver() throws Exception {
        assertThat(rows("\uFEFF{\"a\":1}\r\n\r\n  \n{\"b\":2}")).containsExactly("1:{\"a\":1}", "4:{\"b\":2}");
    }

    @Test
    void onlyALineFeedEndsALine() throws Exception {
        assertThat(rows("{\"a\":\"x\u2028y\u2029z\u0085\"}\n{\"b\":2}\n")).hasSize(2);
    }

    @Test
    void aCarriageReturnAtTheEdgeOfTheBufferIsNoPartOfTheLine() throws Exception {
        for (int length = 65_520; length < 65_550; length++) {
            String first = "{\"a\":\"" + "x".repeat(length - 8) + "\"}";
            assertThat(rows(first + "\r\n{\"b\":2}\r\n")).hasSize(2).last().isEqualTo("2:{\"b\":2}");
        }
    }

    private JsonlFault fault(byte[] bytes) throws Exception {
        Path file = folder.resolve("rows.jsonl");
        Files.write(file, bytes);
        JsonlFault fault = catchThrowableOfType(JsonlFault.class, () -> JsonLines.check(file));
        assertThat(fault).isNotNull();
        JsonlFault whole = catchThrowableOfType(JsonlFault.class, () -> rows(bytes));
        if (whole != null) {
            assertThat(whole.line()).isEqualTo(fault.line());
        }
        return fault;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{}~{\"a\":~{}|2",
                "{}~~{\"a\":1}}|3",
                "{} {}|1",
                "{}~nothing|2",
                "{\"a\":NaN}|1",
                "{'a':1}|1",
                "[|1"
            })
    void aLineThatIsNoJsonIsNamed(String text, int line) throws Exception {
        assertThat(fault(text.replace('~', '\n').getBytes(StandardCharsets.UTF_8))
                        .line())
                .isEqualTo(line);
    }

    @Test
    void bytesThatAreNoUtf8AreNamedByTheirLine() throws Exception {
        JsonlFault fault = fault("{}\n{\"a\":\"\u00FC\"}\n".getBytes(StandardCharsets.ISO_8859_1));
        assertThat(fault.line()).isEqualTo(2);
        assertThat(fault).hasMessageContaining("UTF-8");
    }

    @Test
    void recordsNestedTooDeepAreRefused() throws Exception {
        assertThat(fault(("[".repeat(101) + "]".repeat(101)).getBytes(StandardCharsets.UTF_8)))
                .hasMessageContaining("100");
        assertThat(rows("[".repeat(99) + "]".repeat(99))).hasSize(1);
    }

    @Test
    void aFileWithoutRecordsIsRefused() throws Exception {
        assertThat(fault("\n\n".getBytes(StandardCharsets.UTF_8))).hasMessageContaining("no record");
    }

    @Test
    void aLineTooLongIsNamedAndTheNextOneIsRead() throws Exception {
        byte[] bytes = ("\"" + "x".repeat(JsonLines.LINE_BYTES_MAX) + "\"\n{\"b\":2}").getBytes(StandardCharsets.UTF_8);
        try (JsonLines lines = new JsonLines(new ByteArrayInputStream(bytes))) {
            JsonlFault fault = catchThrowableOfType(JsonlFault.class, lines::next);
            assertThat(fault.line()).isEqualTo(1);
            assertThat(lines.next().orElseThrow().line()).isEqualTo(2);
        }
    }
}
