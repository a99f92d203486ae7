package dev.nightshift.tensor;

/**
 * Sizes of the paged key-value cache. A block holds {@code blockTokens} tokens of all layers, so that it is one page of the
 * memory that chat and training share. The order inside a block is the backend's own.
 *
 * @param blockBytes bytes of one block as the backend stores it
 */
public record KvLayout(int layers, int kvHeads, int headDim, int blockTokens, long blockBytes) {}
