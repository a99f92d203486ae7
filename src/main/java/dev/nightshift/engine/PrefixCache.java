package dev.nightshift.engine;

/**
 * Gives sequences their blocks: cached ones for the longest known prefix, fresh ones for the rest; offers their full blocks to
 * others. Engine thread only.
 */
final class PrefixCache {
    private final BlockPool pool;
    private final PrefixKeys keys;
    private final int blockTokens;
    private final boolean enabled;

    PrefixCache(BlockPool pool, PrefixKeys keys, int blockTokens, boolean enabled) {
        this.pool = pool;
        this.keys = keys;
        this.blockTokens = blockTokens;
        this.enabled = enabled;
    }

    /**
     * Blocks for all tokens of the sequence, or none at all.
     *
     * @param spare blocks that must stay available beside them
     */
    boolean claimBlocks(Sequence sequence, int spare) {
        int needed = Math.ceilDiv(sequence.length(), blockTokens);
        int shared = matched(sequence);
        int reclaimed = 0;
        for (int i = 0; i < shared; i++) {
            reclaimed += pool.unused(pool.find(sequence.blockKeys.get(i))) ? 1 : 0;
        }
        if (pool.available() - reclaimed < needed - shared + spare) {
            return false;
        }
        for (int i = 0; i < shared; i++) {
            int block = pool.find(sequence.blockKeys.get(i));
            pool.share(block);
            sequence.addBlock(block);
        }
        for (int i = shared; i < needed; i++) {
            sequence.addBlock(pool.allocate());
        }
        sequence.computed = shared * blockTokens;
        sequence.registered = shared;
        return true;
    }

    /** Leading blocks of the sequence that are cached. The last token is always computed, as its logits are wanted. */
    private int matched(Sequence sequence) {
        if (!enabled || !sequence.sharesPrefix || sequence.promptScoresPending()) {
            return 0;
        }
        int full = (sequence.length() - 1) / blockTokens;
        extendKeys(sequence, full);
        int matched = 0;
        while (matched < full && pool.find(sequence.blockKeys.get(matched)) >= 0) {
            matched++;
        }
        return matched;
    }

    /** Offers the blocks that have become full. */
    void register(Sequence sequence) {
        if (!enabled || !sequence.sharesPrefix) {
            return;
        }
        int full = sequence.computed / blockTokens;
        if (full > sequence.registered) {
            extendKeys(sequence, full);
            for (int i = sequence.registered; i < full; i++) {
                pool.register(sequence.blocks[i], sequence.blockKeys.get(i));
            }
            sequence.registered = full;
        }
    }

    /** Nobody else shall find what this sequence computed: its numbers are broken. */
    void forget(Sequence sequence) {
        for (int i = 0; i < sequence.registered; i++) {
            pool.forget(sequence.blocks[i]);
        }
    }

    private void extendKeys(Sequence sequence, int full) {
        for (int i = sequence.blockKeys.size(); i < full; i++) {
            BlockKey parent = i == 0 ? sequence.rootKey : sequence.blockKeys.get(i - 1);
            sequence.blockKeys.add(keys.next(parent, sequence.tokens(), i * blockTokens));
        }
    }

    /** The sequence has no blocks any more and nothing computed. Last ones first, so that prefixes outlive their ends. */
    void releaseBlocks(Sequence sequence) {
        for (int i = sequence.blockCount - 1; i >= 0; i--) {
            pool.release(sequence.blocks[i]);
        }
        sequence.blockCount = 0;
        sequence.computed = 0;
        sequence.registered = 0;
    }
}
