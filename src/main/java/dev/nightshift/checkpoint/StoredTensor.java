package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A tensor in a file.
 *
 * @param file the file's name, for messages
 * @param data its bytes, mapped and read-only
 */
public record StoredTensor(String file, String name, StoredType type, Shape shape, MemorySegment data) {

    /** A view of it, without a copy. */
    public Tensor tensor() {
        DType dtype = type.dtype()
                .orElseThrow(() -> new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "%s: tensor %s has type %s, which is not supported".formatted(file, name, type)));
        return new Tensor(data, dtype, shape);
    }
}
