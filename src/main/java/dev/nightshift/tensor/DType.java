package dev.nightshift.tensor;

/** Element types of tensors. */
public enum DType {
    F32(4),
    BF16(2),
    F16(2),
    I64(8),
    I32(4),
    U8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }
}
