package dev.nightshift.checkpoint;

import dev.nightshift.tensor.DType;
import java.util.Optional;

/** Element types of the safetensors format. Those without a {@link DType} may lie in a file but can't be used. */
public enum StoredType {
    F64(8, null),
    F32(4, DType.F32),
    F16(2, DType.F16),
    BF16(2, DType.BF16),
    F8_E4M3(1, null),
    F8_E5M2(1, null),
    F8_E8M0(1, null),
    I64(8, DType.I64),
    U64(8, null),
    I32(4, DType.I32),
    U32(4, null),
    I16(2, null),
    U16(2, null),
    I8(1, null),
    U8(1, DType.U8),
    BOOL(1, null),
    C64(8, null);

    private final int bytes;
    private final DType dtype;

    StoredType(int bytes, DType dtype) {
        this.bytes = bytes;
        this.dtype = dtype;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** The tensor type, for those that operations know. */
    public Optional<DType> dtype() {
        return Optional.ofNullable(dtype);
    }

    static Optional<StoredType> named(String name) {
        for (StoredType type : values()) {
            if (type.name().equals(name)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    static StoredType of(DType dtype) {
        return switch (dtype) {
            case F32 -> F32;
            case BF16 -> BF16;
            case F16 -> F16;
            case I64 -> I64;
            case I32 -> I32;
            case U8 -> U8;
        };
    }
}
