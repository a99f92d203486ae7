package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.KvLayout;

/**
 * Places inside a cache block: [layer][kvHead], each keys [headDim][keyStride] then values [blockTokens][valueStride], F32,
 * strides rounded up to 16.
 */
final class KvBlocks {
    private static final int ROUND = 16;

    private KvBlocks() {}

    static int keyStride(KvLayout layout) {
        return up(layout.blockTokens());
    }

    static int valueStride(KvLayout layout) {
        return up(layout.headDim());
    }

    private static int up(int size) {
        return (size + ROUND - 1) / ROUND * ROUND;
    }

    /** Keys and values of a head, which lie together. */
    static long headBytes(int headDim, int blockTokens) {
        return 4L * ((long) headDim * up(blockTokens) + (long) blockTokens * up(headDim));
    }

    static KvLayout layout(int layers, int kvHeads, int headDim, int blockTokens) {
        if (layers < 1 || kvHeads < 1 || headDim < 1 || blockTokens < 1) {
            throw new IllegalStateException("cache of %d layers, %d heads of %d, blocks of %d tokens"
                    .formatted(layers, kvHeads, headDim, blockTokens));
        }
        long bytes = layers * (long) kvHeads * headBytes(headDim, blockTokens);
        return new KvLayout(layers, kvHeads, headDim, blockTokens, bytes);
    }

    /** Offset of a head's keys from the block's start. */
    static long keys(KvLayout layout, int layer, int kvHead) {
        return ((long) layer * layout.kvHeads() + kvHead) * headBytes(layout.headDim(), layout.blockTokens());
    }

    /** Offset of a head's values from the block's start. */
    static long values(KvLayout layout, int layer, int kvHead) {
        return keys(layout, layer, kvHead) + 4L * layout.headDim() * keyStride(layout);
    }
}
