package dev.nightshift.template;

import java.util.Arrays;

/**
 * A string whose characters know where they come from. Immutable; equality is that of the characters alone.
 *
 * <p>Provenance is a list of runs, each one int: end position times four plus the run's flags. No list: no flags.
 */
final class Text implements Value {
    /** From messages, tools, documents or arguments of the request. */
    static final int UNTRUSTED = 1;
    /** Inside a generation block. */
    static final int GENERATED = 2;

    static final Text EMPTY = new Text("", null, false);

    private final String string;
    private final int[] runs;
    private final boolean markup;

    private Text(String string, int[] runs, boolean markup) {
        this.string = string;
        this.runs = runs;
        this.markup = markup;
    }

    /** Runs in order, the last ending at the string's end; null for none. */
    static Text ofRuns(String string, int[] runs) {
        return new Text(string, runs, false);
    }

    static Text trusted(String string) {
        return string.isEmpty() ? EMPTY : new Text(string, null, false);
    }

    static Text untrusted(String string) {
        return flagged(string, UNTRUSTED);
    }

    /** All characters with the same flags. */
    static Text flagged(String string, int flags) {
        if (string.isEmpty()) {
            return EMPTY;
        }
        return new Text(string, flags == 0 ? null : new int[] {string.length() << 2 | flags}, false);
    }

    String string() {
        return string;
    }

    int length() {
        return string.length();
    }

    boolean isEmpty() {
        return string.isEmpty();
    }

    /** Marked safe for HTML: text added to it is escaped, as markupsafe does. */
    boolean isMarkup() {
        return markup;
    }

    Text asMarkup() {
        return markup ? this : new Text(string, runs, true);
    }

    Text asPlain() {
        return markup ? new Text(string, runs, false) : this;
    }

    /** The same kind of string (markup or plain) as the given one. */
    Text like(Text other) {
        return other.markup ? asMarkup() : asPlain();
    }

    int runCount() {
        return runs == null ? 0 : runs.length;
    }

    int runEnd(int run) {
        return runs[run] >> 2;
    }

    int runFlags(int run) {
        return runs[run] & 3;
    }

    /** The first run that ends after the position. */
    int runAt(int position) {
        int low = 0;
        int high = runs.length - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (runEnd(middle) > position) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    /** Flags of the character at this position. */
    int flagsAt(int position) {
        return runs == null ? 0 : runFlags(runAt(position));
    }

    /** Every flag that any character has. */
    int flags() {
        int all = 0;
        for (int run = 0; run < runCount(); run++) {
            all |= runFlags(run);
        }
        return all;
    }

    /** Another string made of this one whose characters cannot be told apart: all get every flag. */
    Text derive(String other) {
        return other.equals(string) ? this : flagged(other, flags()).like(this);
    }

    /** One provenance for all characters. */
    boolean isUniform() {
        return runs == null || runs.length == 1;
    }

    /** Characters {@code from} to {@code to}, in UTF-16 units. */
    Text slice(int from, int to) {
        if (from >= to) {
            return markup ? EMPTY.asMarkup() : EMPTY;
        }
        if (from == 0 && to == string.length()) {
            return this;
        }
        String part = string.substring(from, to);
        if (runs == null) {
            return new Text(part, null, markup);
        }
        int first = runAt(from);
        int last = runAt(to - 1);
        if (first == last) {
            int flags = runFlags(first);
            return new Text(part, flags == 0 ? null : new int[] {(to - from) << 2 | flags}, markup);
        }
        int[] cut = Arrays.copyOfRange(runs, first, last + 1);
        for (int i = 0; i < cut.length; i++) {
            int end = Math.min(cut[i] >> 2, to) - from;
            cut[i] = end << 2 | cut[i] & 3;
        }
        return new Text(part, cut, markup);
    }

    /** All characters with this flag added. */
    Text with(int flag) {
        if (string.isEmpty()) {
            return this;
        }
        if (runs == null) {
            return new Text(string, new int[] {string.length() << 2 | flag}, markup);
        }
        int[] more = runs.clone();
        for (int i = 0; i < more.length; i++) {
            more[i] |= flag;
        }
        return new Text(string, more, markup);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Text text && string.equals(text.string);
    }

    @Override
    public int hashCode() {
        return string.hashCode();
    }

    @Override
    public String toString() {
        return string;
    }
}
