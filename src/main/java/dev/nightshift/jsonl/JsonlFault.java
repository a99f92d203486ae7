package dev.nightshift.jsonl;

/** A line that is not what a JSONL file may hold. */
public final class JsonlFault extends Exception {
    private final long line;

    JsonlFault(long line, String message) {
        super(message, null, false, false);
        this.line = line;
    }

    /** 1 for the first line; blank lines count. */
    public long line() {
        return line;
    }
}
