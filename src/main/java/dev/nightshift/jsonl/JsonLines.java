package dev.nightshift.jsonl;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/**
 * The records of a JSONL file, one after another. Lines end at LF alone, since U+2028 and its like may stand within strings;
 * a CR before it, a byte order mark at the start and blank lines are passed over. Text is UTF-8, without halves of characters.
 * Holds one line at a time. One thread.
 */
public final class JsonLines implements Closeable {
    /** Longest line; a record is one sample, and no context holds as much. */
    public static final int LINE_BYTES_MAX = 16 << 20;

    /** Far from where recursion over a record could hurt. */
    public static final int NESTING_MAX = 100;

    private static final int CHUNK = 64 << 10;

    private static final ObjectMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(NESTING_MAX)
                            .maxStringLength(LINE_BYTES_MAX)
                            .build())
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .build();

    /** A record and the number of its line. */
    public record Row(long line, JsonNode value) {}

    private final InputStream in;
    private final CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    private final byte[] chunk = new byte[CHUNK];
    private int next;
    private int filled;
    private boolean ended;
    private byte[] line = new byte[CHUNK];
    private int length;
    private long number;

    /** @param in closed with this */
    public JsonLines(InputStream in) {
        this.in = in;
    }

    /** The records of a file. */
    public static JsonLines open(Path file) throws IOException {
        return new JsonLines(Files.newInputStream(file));
    }

    /** Reads a file to its end; returns how many records it has. */
    public static long check(Path file) throws IOException, JsonlFault {
        long rows = 0;
        try (JsonLines lines = open(file)) {
            while (lines.skipRow()) {
                rows++;
            }
            if (rows == 0) {
                throw new JsonlFault(Math.max(1, lines.number), "the file has no record");
            }
        }
        return rows;
    }

    /**
     * The next record, or nothing at the end. After a fault the next call goes on with the next line.
     *
     * @throws JsonlFault where the line is no JSON value in UTF-8
     */
    public Optional<Row> next() throws IOException, JsonlFault {
        CharBuffer text = nextText();
        if (text == null) {
            return Optional.empty();
        }
        try (JsonParser parser = parser(text)) {
            JsonNode value = MAPPER.readTree(parser);
            atEnd(parser);
            return Optional.of(new Row(number, value));
        } catch (JacksonException e) {
            throw notJson(e);
        }
    }

    /** As {@link #next}, without building the record. */
    private boolean skipRow() throws IOException, JsonlFault {
        CharBuffer text = nextText();
        if (text == null) {
            return false;
        }
        try (JsonParser parser = parser(text)) {
            parser.nextToken();
            parser.skipChildren();
            atEnd(parser);
            return true;
        } catch (JacksonException e) {
            throw notJson(e);
        }
    }

    private static JsonParser parser(CharBuffer text) throws IOException {
        return MAPPER.getFactory().createParser(text.array(), text.arrayOffset() + text.position(), text.remaining());
    }

    private void atEnd(JsonParser parser) throws IOException, JsonlFault {
        if (parser.nextToken() != null) {
            throw new JsonlFault(number, "more than one JSON value on the line");
        }
    }

    private JsonlFault notJson(JacksonException e) {
        String column =
                e.getLocation() == null ? "" : " (column " + e.getLocation().getColumnNr() + ")";
        return new JsonlFault(number, "not valid JSON: " + e.getOriginalMessage() + column);
    }

    /** The next line that is not blank. */
    private CharBuffer nextText() throws IOException, JsonlFault {
        while (nextLine()) {
            int from = number == 1 && startsWithMark() ? 3 : 0;
            int to = length > from && line[length - 1] == '\r' ? length - 1 : length;
            if (!blank(from, to)) {
                return decode(from, to);
            }
        }
        return null;
    }

    private boolean startsWithMark() {
        return length >= 3 && line[0] == (byte) 0xEF && line[1] == (byte) 0xBB && line[2] == (byte) 0xBF;
    }

    private boolean blank(int from, int to) {
        for (int i = from; i < to; i++) {
            if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
                return false;
            }
        }
        return true;
    }

    private CharBuffer decode(int from, int to) throws JsonlFault {
        try {
            return decoder.decode(ByteBuffer.wrap(line, from, to - from));
        } catch (CharacterCodingException e) {
            throw new JsonlFault(number, "not valid UTF-8");
        }
    }

    /** Reads the bytes of the next line, without its LF; false at the end. */
    private boolean nextLine() throws IOException, JsonlFault {
        length = 0;
        boolean any = false;
        boolean tooLong = false;
        while (true) {
            if (next == filled && !fill()) {
                break;
            }
            any = true;
            int end = next;
            while (end < filled && chunk[end] != '\n') {
                end++;
            }
            tooLong |= length + (end - next) > LINE_BYTES_MAX;
            if (!tooLong) {
                append(next, end);
            }
            next = end;
            if (next < filled) {
                next++;
                break;
            }
        }
        if (any) {
            number++;
        }
        if (tooLong) {
            throw new JsonlFault(number, "longer than " + LINE_BYTES_MAX + " bytes");
        }
        return any;
    }

    private boolean fill() throws IOException {
        if (ended) {
            return false;
        }
        next = 0;
        filled = Math.max(0, in.read(chunk));
        ended = filled == 0;
        return !ended;
    }

    private void append(int from, int to) {
        int more = to - from;
        if (length + more > line.length) {
            line = Arrays.copyOf(line, Math.max(line.length * 2, length + more));
        }
        System.arraycopy(chunk, from, line, length, more);
        length += more;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
