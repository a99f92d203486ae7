package dev.nightshift.tensor.nd4j;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;

/** Zeroed memory off the heap, cut from one budget and booked to its parts. */
final class HostMemory implements AutoCloseable {
    /** A cache line, and what 16-byte vector loads of ND4J's BLAS need. */
    private static final long ALIGNMENT_BYTES = 64;

    private final Arena arena = Arena.ofShared();
    private final long budgetBytes;
    private final Map<MemoryPart, Long> booked = new EnumMap<>(MemoryPart.class);
    private long bookedTotal;

    HostMemory(long budgetBytes) {
        if (budgetBytes <= 0) {
            throw new IllegalStateException("memory budget of %d bytes".formatted(budgetBytes));
        }
        this.budgetBytes = budgetBytes;
    }

    Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        long bytes = Math.multiplyExact(shape.elements(), dtype.bytes());
        if (bytes > budgetBytes - bookedTotal) {
            throw new ServingException(
                    ErrorCode.INSUFFICIENT_STORAGE,
                    "%d bytes for %s do not fit: %d of the memory budget's %d bytes are taken"
                            .formatted(bytes, part, bookedTotal, budgetBytes));
        }
        booked.merge(part, bytes, Long::sum);
        bookedTotal += bytes;
        return new Tensor(arena.allocate(bytes, ALIGNMENT_BYTES), dtype, shape);
    }

    /** A copy booked to a part. */
    Tensor copy(MemoryPart part, Tensor source) {
        Tensor copy = allocate(part, source.dtype(), source.shape());
        copy.data().copyFrom(source.data());
        return copy;
    }

    long booked(MemoryPart part) {
        return booked.getOrDefault(part, 0L);
    }

    @Override
    public void close() {
        arena.close();
    }
}
