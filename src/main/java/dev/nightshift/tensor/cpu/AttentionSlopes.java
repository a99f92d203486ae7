package dev.nightshift.tensor.cpu;

/**
 * What blocks of queries leave for the gradients of keys and values: probabilities and slopes as [key][QUERIES], and their queries
 * and output gradients as panels [part of the dimension][QUERIES][COLUMNS].
 */
final class AttentionSlopes {
    private static final int QUERIES = ChainLanes.COLUMNS;
    private static final int COLUMNS = ChainLanes.COLUMNS;

    private AttentionKeys keys;
    private int dim;
    private int slot;
    private int panel;
    private int heads;
    private Floats probabilities = Floats.of(0);
    private Floats slopes = Floats.of(0);
    private Floats queries = Floats.of(0);
    private Floats gradients = Floats.of(0);
    private int[] firsts = new int[0];

    /** Floats of one head and block of queries. */
    static int floats(PackedCall call) {
        int keys = call.to() - call.firstKey(call.from(), call.to()) + AttentionKeys.KEYS;
        return 2 * QUERIES * (keys + parts(call.dim()) * COLUMNS);
    }

    /** Panels that the dimension of a head takes. */
    static int parts(int dim) {
        return (dim + COLUMNS - 1) / COLUMNS;
    }

    void begin(PackedCall call, AttentionKeys keys, int blocks) {
        this.keys = keys;
        dim = call.dim();
        slot = keys.width() * QUERIES;
        panel = parts(dim) * QUERIES * COLUMNS;
        heads = keys.queryHeads();
        int count = blocks * heads;
        probabilities = AttentionKeys.room(probabilities, count * slot);
        slopes = AttentionKeys.room(slopes, count * slot);
        queries = AttentionKeys.room(queries, count * panel);
        gradients = AttentionKeys.room(gradients, count * panel);
        if (firsts.length < blocks) {
            firsts = new int[blocks];
        }
        for (int block = 0; block < blocks; block++) {
            int from = call.from() + block * QUERIES;
            firsts[block] = keys.floor(call.firstKey(from, Math.min(call.to(), from + QUERIES)));
        }
    }

    /** The first key that a block of queries sees, at or below it. */
    int first(int block) {
        return firsts[block];
    }

    /** Where a key's row of a block begins in {@link #probabilities} and {@link #slopes}. */
    int row(int block, int head, int key) {
        return index(block, head) * slot + (key - keys.lowest()) * QUERIES;
    }

    /** Where a block's panels begin in {@link #queries} and {@link #gradients}. */
    int panel(int block, int head) {
        return index(block, head) * panel;
    }

    private int index(int block, int head) {
        return block * heads + head - keys.firstHead();
    }

    Floats probabilities() {
        return probabilities;
    }

    Floats slopes() {
        return slopes;
    }

    Floats queries() {
        return queries;
    }

    Floats gradients() {
        return gradients;
    }
}
