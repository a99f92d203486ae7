package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/**
 * Keys and values of some key heads, in the orders that {@link ChainLanes} reads: packed [key / 4][dim][4] for products that
 * sum over the head's dimension, turned [dim / 4][key][4] for those that sum over keys. Beyond the last row zeros.
 */
final class AttentionKeys {
    /** Keys of an item. */
    static final int KEYS = 32;

    private static final int GROUP = ChainLanes.GROUP;

    private PackedCall call;
    private int firstKvHead;
    private int kvHeads;
    private int lowest;
    private int width;
    private boolean gradients;
    private Floats keysPacked = Floats.of(0);
    private Floats keysTurned = Floats.of(0);
    private Floats valuesPacked = Floats.of(0);
    private Floats valuesTurned = Floats.of(0);

    /** Floats of one key head. */
    static int floats(PackedCall call, boolean gradients) {
        return (gradients ? 3 : 2) * width(call) * dims(call);
    }

    private static int width(PackedCall call) {
        return ceil(call.to() - call.firstKey(call.from(), call.to()), KEYS);
    }

    private static int dims(PackedCall call) {
        return ceil(call.dim(), GROUP);
    }

    private static int ceil(int n, int step) {
        return (n + step - 1) / step * step;
    }

    /** @param gradients whether the backward's orders are wanted, or the forward's */
    void begin(PackedCall call, int firstKvHead, int endKvHead, boolean gradients) {
        this.call = call;
        this.firstKvHead = firstKvHead;
        this.gradients = gradients;
        kvHeads = endKvHead - firstKvHead;
        lowest = call.firstKey(call.from(), call.to());
        width = width(call);
        int size = kvHeads * width * dims(call);
        keysPacked = room(keysPacked, size);
        if (gradients) {
            keysTurned = room(keysTurned, size);
            valuesPacked = room(valuesPacked, size);
        } else {
            valuesTurned = room(valuesTurned, size);
        }
    }

    /** Grown to a size; what it held is lost. */
    static Floats room(Floats array, int size) {
        return array.values().length < size ? Floats.of(size) : array;
    }

    int items() {
        return width / KEYS * kvHeads;
    }

    int kvHead(int item) {
        return firstKvHead + item % kvHeads;
    }

    /** The first key of an item. */
    int key(int item) {
        return lowest + item / kvHeads * KEYS;
    }

    int firstHead() {
        return firstKvHead * call.group();
    }

    int queryHeads() {
        return kvHeads * call.group();
    }

    int lowest() {
        return lowest;
    }

    /** Keys from the lowest on, a multiple of {@link #KEYS}. */
    int width() {
        return width;
    }

    /** The place at or below a key where a block may begin. */
    int floor(int key) {
        return lowest + (key - lowest) / GROUP * GROUP;
    }

    /** Where a key of a head begins in a packed array. */
    int packed(int kvHead, int key) {
        return ((kvHead - firstKvHead) * width + key - lowest) * call.dim();
    }

    /** Where it does in the first group of dimensions of a turned one; {@link #turnedStride} to the next group. */
    int turned(int kvHead, int key) {
        return (kvHead - firstKvHead) * width * dims(call) + GROUP * (key - lowest);
    }

    int turnedStride() {
        return GROUP * width;
    }

    Floats keysPacked() {
        return keysPacked;
    }

    Floats keysTurned() {
        return keysTurned;
    }

    Floats valuesPacked() {
        return valuesPacked;
    }

    Floats valuesTurned() {
        return valuesTurned;
    }

    /** Fills what belongs to an item's keys. */
    void pack(int item) {
        int kvHead = kvHead(item);
        int begin = key(item);
        for (int key = begin; key < begin + KEYS; key += GROUP) {
            int rows = Math.clamp(call.to() - key, 0, GROUP);
            pack(keysPacked.values(), packed(kvHead, key), call.k(key, kvHead), rows);
            if (gradients) {
                pack(valuesPacked.values(), packed(kvHead, key), call.v(key, kvHead), rows);
                turn(keysTurned.values(), turned(kvHead, key), call.k(key, kvHead), rows);
            } else {
                turn(valuesTurned.values(), turned(kvHead, key), call.v(key, kvHead), rows);
            }
        }
    }

    private void pack(float[] to, int at, long from, int rows) {
        int dim = call.dim();
        long stride = call.stride();
        if (rows == GROUP) {
            for (int d = 0; d < dim; d++) {
                long x = from + 4L * d;
                to[at + GROUP * d] = Raw.f32(x);
                to[at + GROUP * d + 1] = Raw.f32(x + stride);
                to[at + GROUP * d + 2] = Raw.f32(x + 2 * stride);
                to[at + GROUP * d + 3] = Raw.f32(x + 3 * stride);
            }
            return;
        }
        Arrays.fill(to, at, at + GROUP * dim, 0);
        for (int row = 0; row < rows; row++) {
            for (int d = 0; d < dim; d++) {
                to[at + GROUP * d + row] = Raw.f32(from + row * stride + 4L * d);
            }
        }
    }

    private void turn(float[] to, int at, long from, int rows) {
        int dim = call.dim();
        int step = turnedStride();
        for (int group = 0; group < dims(call) / GROUP; group++) {
            int target = at + group * step;
            int count = Math.min(GROUP, dim - group * GROUP);
            for (int row = 0; row < GROUP; row++) {
                long x = from + row * call.stride() + 4L * GROUP * group;
                for (int d = 0; d < GROUP; d++) {
                    to[target + GROUP * row + d] = row < rows && d < count ? Raw.f32(x + 4L * d) : 0;
                }
            }
        }
    }
}
