package dev.nightshift.jsonl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
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

    /** Rows of 1 KB from a stream that nobody holds. */
    @Test
    void aLongFileIsReadWithoutKeepingIt() throws Exception {
        byte[] row = ("{\"text\":\"" + "x".repeat(1012) + "\"}\n").getBytes(StandardCharsets.UTF_8);
        long rows = 120_000;
        InputStream endless = new InputStream() {
            private long left = rows * row.length;

            @Override
            public int read() {
                throw new UnsupportedOperationException("in blocks only");
            }

            @Override
            public int read(byte[] into, int offset, int length) {
                int at = (int) (Math.floorMod(-left, (long) row.length));
                int count = (int) Math.min(left, Math.min(length, row.length - at));
                System.arraycopy(row, at, into, offset, count);
                left -= count;
                return count == 0 ? -1 : count;
            }
        };
        long begun = liveHeap();
        try (JsonLines lines = new JsonLines(endless)) {
            for (long i = 1; i <= rows; i++) {
                assertThat(lines.next().orElseThrow().line()).isEqualTo(i);
                if (i == rows - 1) {
                    assertThat(liveHeap() - begun).as("heap after 120 MB").isLessThan(8 << 20);
                }
            }
            assertThat(lines.next()).isEmpty();
        }
    }

    private static long liveHeap() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
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
