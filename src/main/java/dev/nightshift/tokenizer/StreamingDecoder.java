package dev.nightshift.tokenizer;

/**
 * Ids to text, one at a time: each call gives the whole code points that its id completes. The pieces and the rest together
 * are the text of all ids. One owner, not thread-safe.
 */
public final class StreamingDecoder {
    private final Tokenizer tokenizer;
    private final boolean skipSpecial;
    private final Utf8Assembler assembler = new Utf8Assembler();
    private final StringBuilder piece = new StringBuilder();
    private boolean first = true;
    private int spacesToDrop;

    StreamingDecoder(Tokenizer tokenizer, boolean skipSpecial, int spacesToDrop) {
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
        this.spacesToDrop = spacesToDrop;
    }

    /** The text that {@code id} completes, often nothing; ids that the tokenizer doesn't know have none. */
    public String push(int id) {
        if (skipSpecial && tokenizer.isSpecial(id)) {
            return "";
        }
        byte[] bytes = first ? tokenizer.firstTokenBytes(id) : tokenizer.tokenBytes(id);
        first = false;
        piece.setLength(0);
        assembler.push(bytes, piece);
        return take();
    }

    /** The end: an incomplete character becomes U+FFFD. */
    public String finish() {
        piece.setLength(0);
        assembler.finish(piece);
        return take();
    }

    /** Whether an incomplete character waits for more bytes. */
    public boolean holdsBack() {
        return assembler.holdsBack();
    }

    /** A Strip decoder looks at the very start of the text only. */
    private String take() {
        int from = 0;
        if (!piece.isEmpty()) {
            while (from < spacesToDrop && from < piece.length() && piece.charAt(from) == ' ') {
                from++;
            }
            spacesToDrop = from == piece.length() ? spacesToDrop - from : 0;
        }
        return piece.substring(from);
    }
}
