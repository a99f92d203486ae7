package dev.nightshift.tensor.cpu;

import java.lang.foreign.MemorySegment;

/** An array and the same memory as a segment, made once: machine code is given the segment, anything else the array. */
record Floats(float[] values, MemorySegment memory) {
    static Floats of(int length) {
        float[] values = new float[length];
        return new Floats(values, MemorySegment.ofArray(values));
    }
}
