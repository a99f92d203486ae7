package dev.nightshift.tensor;

import java.util.List;
import java.util.Objects;

/** A matrix [rows, columns] that {@link TensorOps#linear} multiplies with: {@code y = x W^T}. */
public sealed interface Weight {

    /** Output features. */
    int rows();

    /** Input features. */
    int columns();

    /** @param values [rows, columns] F32, BF16 or F16 */
    record Dense(Tensor values) implements Weight {
        public Dense {
            if (values.shape().rank() != 2) {
                throw new IllegalStateException("weight of shape " + values.shape());
            }
        }

        @Override
        public int rows() {
            return Math.toIntExact(values.shape().axis(0));
        }

        @Override
        public int columns() {
            return Math.toIntExact(values.shape().axis(1));
        }
    }

    /**
     * bitsandbytes 4-bit: blocks of {@code blockSize} elements run over the flattened weight, across rows; the first element
     * of a byte is its high nibble.
     *
     * @param packed [ceil(rows * columns / 2)] U8
     */
    record FourBit(FourBitCode code, int rows, int columns, int blockSize, Tensor packed, BlockScales scales)
            implements Weight {
        public FourBit {
            Objects.requireNonNull(code, "code is null");
            Objects.requireNonNull(scales, "scales is null");
            long bytes = ((long) rows * columns + 1) / 2;
            if (packed.bytes() != bytes) {
                throw new IllegalStateException(
                        "4-bit weight [%d, %d] needs %d bytes, got %d".formatted(rows, columns, bytes, packed.bytes()));
            }
        }
    }

    /** Several weights over the same input, their outputs side by side (q, k, v; gate, up). Each keeps its own scales. */
    record Fused(List<Weight> parts) implements Weight {
        public Fused {
            parts = List.copyOf(parts);
            for (Weight part : parts) {
                if (part.columns() != parts.getFirst().columns()) {
                    throw new IllegalStateException("fused parts with %d and %d columns"
                            .formatted(parts.getFirst().columns(), part.columns()));
                }
            }
        }

        @Override
        public int rows() {
            return parts.stream().mapToInt(Weight::rows).sum();
        }

        @Override
        public int columns() {
            return parts.getFirst().columns();
        }
    }

    /** What {@link TensorOps#prepare} made of a weight for its own kernels; opaque to everybody else. */
    non-sealed interface Prepared extends Weight {}
}
