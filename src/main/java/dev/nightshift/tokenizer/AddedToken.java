package dev.nightshift.tokenizer;

/**
 * An entry of {@code added_tokens} in tokenizer.json: a literal that is cut out of the text before the model sees it.
 *
 * @param special a control token; others (such as {@code <think>}) may be written by anyone
 * @param singleWord matches only between characters that are no part of a word
 * @param normalized looked for after the text was normalised
 */
record AddedToken(
        int id,
        String content,
        boolean special,
        boolean singleWord,
        boolean lstrip,
        boolean rstrip,
        boolean normalized) {}
