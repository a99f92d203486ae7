package dev.nightshift.engine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * The blocks of the key-value cache: which are free, who shares them, which hold a cached prefix, which are lent to training.
 * A block that nobody uses but that holds a cached prefix counts as available and is taken, longest unused first, when the
 * free ones are gone. Engine thread only; the counts may be read from others.
 */
final class BlockPool {
    private static final int NONE = -1;
    private static final int LENT = -1;

    /** Sequences that use a block; LENT while training has it. */
    private final int[] references;

    private final BlockKey[] keys;
    private final Map<BlockKey, Integer> cached = new HashMap<>();
    private final int[] free;
    private int freeCount;

    // Unused blocks that hold a prefix: a ring through `older` and `newer` with the entry [blocks] as its head.
    private final int[] older;
    private final int[] newer;
    private int evictableCount;
    private int lentCount;
    private volatile int usedPublished;

    BlockPool(int blocks) {
        this.references = new int[blocks];
        this.keys = new BlockKey[blocks];
        this.free = new int[blocks];
        this.older = new int[blocks + 1];
        this.newer = new int[blocks + 1];
        older[blocks] = blocks;
        newer[blocks] = blocks;
        rebuildFree();
    }

    int capacity() {
        return references.length;
    }

    /** Blocks that can be had now: free ones and cached ones that nobody uses. */
    int available() {
        return freeCount + evictableCount;
    }

    /** Blocks that sequences use or training has; any thread. */
    int used() {
        return usedPublished;
    }

    int lent() {
        return lentCount;
    }

    int cachedBlocks() {
        return cached.size();
    }

    /** A block of one's own, or -1 if there is none. */
    int allocate() {
        int block;
        if (freeCount > 0) {
            block = free[--freeCount];
        } else if (evictableCount > 0) {
            block = newer[references.length];
            evict(block);
        } else {
            return NONE;
        }
        references[block] = 1;
        publish();
        return block;
    }

    /** The block that holds this prefix, or -1. */
    int find(BlockKey key) {
        return cached.getOrDefault(key, NONE);
    }

    /** Whether nobody uses the block now. */
    boolean unused(int block) {
        return references[block] == 0;
    }

    /** One more user of a cached block. */
    void share(int block) {
        if (references[block] == LENT || keys[block] == null) {
            throw new IllegalStateException("block %d with %d users is not cached".formatted(block, references[block]));
        }
        if (references[block]++ == 0) {
            unlink(block);
        }
        publish();
    }

    /** Offers a full block to the cache; if another holds the same prefix already, that one stays. */
    void register(int block, BlockKey key) {
        if (references[block] < 1 || keys[block] != null) {
            throw new IllegalStateException(
                    "block %d with %d users, key %s".formatted(block, references[block], keys[block]));
        }
        if (cached.putIfAbsent(key, block) == null) {
            keys[block] = key;
        }
    }

    /** The block is nobody's prefix any more; its users keep it. */
    void forget(int block) {
        if (references[block] < 1) {
            throw new IllegalStateException("block %d forgotten with %d users".formatted(block, references[block]));
        }
        if (keys[block] != null) {
            cached.remove(keys[block]);
            keys[block] = null;
        }
    }

    /** One user less; a block without user or prefix is free. */
    void release(int block) {
        if (references[block] < 1) {
            throw new IllegalStateException("block %d released with %d users".formatted(block, references[block]));
        }
        if (--references[block] == 0) {
            if (keys[block] == null) {
                free[freeCount++] = block;
            } else {
                link(block);
            }
        }
        publish();
    }

    /** Forgets every prefix that nobody uses now. */
    void forgetUnused() {
        while (evictableCount > 0) {
            int block = newer[references.length];
            evict(block);
            free[freeCount++] = block;
        }
    }

    /**
     * Takes {@code count} neighbouring available blocks out of the pool, those with the highest numbers first.
     *
     * @param keep blocks that must stay in the pool, so that the longest sequence still fits
     * @return the first block of the run, or -1 if there is no such run
     */
    int lend(int count, int keep) {
        if (references.length - lentCount - count < keep) {
            return NONE;
        }
        int run = 0;
        for (int block = references.length - 1; block >= 0; block--) {
            run = references[block] == 0 ? run + 1 : 0;
            if (run == count) {
                for (int i = block; i < block + count; i++) {
                    if (keys[i] != null) {
                        evict(i);
                    }
                    references[i] = LENT;
                }
                lentCount += count;
                rebuildFree();
                publish();
                return block;
            }
        }
        return NONE;
    }

    /** The blocks are the pool's again. */
    void giveBack(int first, int count) {
        for (int block = first; block < first + count; block++) {
            if (references[block] != LENT) {
                throw new IllegalStateException("block %d is not lent: %d users".formatted(block, references[block]));
            }
            references[block] = 0;
        }
        lentCount -= count;
        rebuildFree();
        publish();
    }

    /** Low numbers on top, so that high ones stay free for lending. */
    private void rebuildFree() {
        freeCount = 0;
        Arrays.fill(free, NONE);
        for (int block = references.length - 1; block >= 0; block--) {
            if (references[block] == 0 && keys[block] == null) {
                free[freeCount++] = block;
            }
        }
    }

    private void evict(int block) {
        unlink(block);
        cached.remove(keys[block]);
        keys[block] = null;
    }

    private void link(int block) {
        int ring = references.length;
        older[block] = older[ring];
        newer[block] = ring;
        newer[older[ring]] = block;
        older[ring] = block;
        evictableCount++;
    }

    private void unlink(int block) {
        newer[older[block]] = newer[block];
        older[newer[block]] = older[block];
        evictableCount--;
    }

    private void publish() {
        usedPublished = references.length - freeCount - evictableCount;
    }
}
