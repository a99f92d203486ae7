package dev.nightshift.tensor.cpu;

import java.lang.foreign.MemorySegment;

/** As {@link Floats}. */
record Longs(long[] values, MemorySegment memory) {
    static Longs of(int length) {
        long[] values = new long[length];
        return new Longs(values, MemorySegment.ofArray(values));
    }
}
