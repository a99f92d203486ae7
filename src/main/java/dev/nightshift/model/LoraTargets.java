package dev.nightshift.model;

/**
 * Numbers of the linears that an adapter can change, as the LoRA table counts them: seven per layer in the order q, k, v, o,
 * gate, up, down, then the embedding, then the head.
 */
public final class LoraTargets {
    public static final int PER_LAYER = 7;
    public static final int Q = 0;
    public static final int K = 1;
    public static final int V = 2;
    public static final int O = 3;
    public static final int GATE = 4;
    public static final int UP = 5;
    public static final int DOWN = 6;

    private LoraTargets() {}

    /** Target number of a linear of a layer, {@code projection} being one of the constants above. */
    public static int of(int layer, int projection) {
        return layer * PER_LAYER + projection;
    }

    public static int embedding(int layers) {
        return layers * PER_LAYER;
    }

    public static int head(int layers) {
        return layers * PER_LAYER + 1;
    }

    /** Targets of a model. */
    public static int count(int layers) {
        return layers * PER_LAYER + 2;
    }
}
