package dev.nightshift.template;

import java.util.Arrays;

/** Joins texts and keeps the provenance of every character. */
final class TextBuilder {
    private final Budget budget;
    private final StringBuilder chars = new StringBuilder();
    private int[] runs = new int[8];
    private int runCount;
    private boolean flagged;

    TextBuilder(Budget budget) {
        this.budget = budget;
    }

    int length() {
        return chars.length();
    }

    TextBuilder append(Text text) {
        int offset = chars.length();
        pay(text.length());
        chars.append(text.string());
        if (text.runCount() == 0) {
            close(0);
        }
        for (int run = 0; run < text.runCount(); run++) {
            close(offset + text.runEnd(run), text.runFlags(run));
        }
        return this;
    }

    /** A part of a text, in UTF-16 units. */
    TextBuilder append(Text text, int from, int to) {
        if (from < to) {
            append(text.slice(from, to));
        }
        return this;
    }

    TextBuilder append(String string, int flags) {
        pay(string.length());
        chars.append(string);
        close(flags);
        return this;
    }

    TextBuilder append(char c, int flags) {
        pay(1);
        chars.append(c);
        close(flags);
        return this;
    }

    TextBuilder append(String string) {
        return append(string, 0);
    }

    TextBuilder append(char c) {
        return append(c, 0);
    }

    TextBuilder appendCodePoint(int codePoint, int flags) {
        pay(2);
        chars.appendCodePoint(codePoint);
        close(flags);
        return this;
    }

    TextBuilder repeat(Text text, long times) {
        if (times > 0 && text.length() > budget.limits().textChars() / times) {
            throw new TemplateFailure("a string of " + text.length() + " characters, " + times + " times");
        }
        for (long i = 0; i < times; i++) {
            append(text);
        }
        return this;
    }

    private void pay(int more) {
        long after = (long) chars.length() + more;
        if (after > budget.limits().textChars()) {
            budget.produce(after);
        }
        budget.produce(more);
    }

    private void close(int flags) {
        close(chars.length(), flags);
    }

    private void close(int end, int flags) {
        int start = runCount == 0 ? 0 : runs[runCount - 1] >> 2;
        if (end == start) {
            return;
        }
        flagged |= flags != 0;
        if (runCount > 0 && (runs[runCount - 1] & 3) == flags) {
            runs[runCount - 1] = end << 2 | flags;
            return;
        }
        if (runCount == runs.length) {
            runs = Arrays.copyOf(runs, runCount * 2);
        }
        runs[runCount++] = end << 2 | flags;
    }

    Text toText() {
        if (chars.isEmpty()) {
            return Text.EMPTY;
        }
        return Text.ofRuns(chars.toString(), flagged ? Arrays.copyOf(runs, runCount) : null);
    }
}
