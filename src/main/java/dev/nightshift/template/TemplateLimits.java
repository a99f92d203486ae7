package dev.nightshift.template;

/**
 * What one rendering may use; templates come with models from strangers.
 *
 * @param steps statements, expressions and items visited
 * @param textChars length of any one string, the output included
 * @param producedChars length of all strings made
 * @param scannedChars length of all strings looked at
 * @param depth nesting of statements, expressions and macro calls
 * @param nesting of lists and dictionaries
 * @param items in one list
 */
public record TemplateLimits(
        long steps, int textChars, long producedChars, long scannedChars, int depth, int nesting, int items) {
    /** Far above any real conversation, and below a second or two of work. */
    public static final TemplateLimits DEFAULT =
            new TemplateLimits(10_000_000, 1 << 26, 1L << 29, 1L << 31, 400, 400, 4_000_000);

    /** Text positions and their flags share an int. */
    static final int TEXT_CHARS_MAX = 1 << 28;

    public TemplateLimits {
        if (textChars > TEXT_CHARS_MAX) {
            throw new IllegalArgumentException("textChars " + textChars + " > " + TEXT_CHARS_MAX);
        }
    }
}
