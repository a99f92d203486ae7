package dev.nightshift.tokenizer;

/**
 * Bytes to whole code points, one byte at a time. An incomplete character waits; what can't become one turns into U+FFFD, one
 * for each maximal invalid part (Unicode standard, section 3.9, table 3-7), so nothing ever stalls.
 */
final class Utf8Assembler {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int missing; // bytes
    private int least = 0x80; // of the next byte
    private int most = 0xBF;

    void push(byte[] bytes, StringBuilder out) {
        for (byte b : bytes) {
            push(b & 0xFF, out);
        }
    }

    private void push(int b, StringBuilder out) {
        if (missing > 0) {
            if (b >= least && b <= most) {
                least = 0x80;
                most = 0xBF;
                codePoint = codePoint << 6 | b & 0x3F;
                if (--missing == 0) {
                    out.appendCodePoint(codePoint);
                }
                return;
            }
            finish(out);
        }
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            start(b & 0x1F, 1, 0x80, 0xBF);
        } else if (b >= 0xE0 && b <= 0xEF) {
            start(b & 0x0F, 2, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF);
        } else if (b >= 0xF0 && b <= 0xF4) {
            start(b & 0x07, 3, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF);
        } else {
            out.append(REPLACEMENT);
        }
    }

    private void start(int bits, int following, int leastNext, int mostNext) {
        codePoint = bits;
        missing = following;
        least = leastNext;
        most = mostNext;
    }

    /** Gives up on an incomplete character. */
    void finish(StringBuilder out) {
        if (missing > 0) {
            out.append(REPLACEMENT);
        }
        missing = 0;
        least = 0x80;
        most = 0xBF;
    }

    /** Whether bytes of an incomplete character wait for the rest. */
    boolean holdsBack() {
        return missing > 0;
    }
}
