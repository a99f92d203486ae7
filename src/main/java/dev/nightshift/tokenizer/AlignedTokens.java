package dev.nightshift.tokenizer;

/**
 * Tokens and the characters they come from. Several tokens may share a character, of which each is a part.
 *
 * @param from first character of each token, UTF-16 units
 * @param to behind its last character
 */
public record AlignedTokens(int[] ids, int[] from, int[] to) {}
