package dev.nightshift.quant;

import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Absmax values in 8 bits (QLoRA section 3; qlora.md section 2.2): their mean is taken off, what remains goes to the signed
 * dynamic map in blocks of {@value #NESTED_BLOCK_SIZE}.
 */
public final class DoubleQuantisation {
    public static final int NESTED_BLOCK_SIZE = 256;
    /**
     * The portable code of bitsandbytes does not search the map for a value but rounds it to one of so many even points over
     * [-1, 1] and takes the entry nearest to that point (found with golden quant4: the one grid that gives all 5,004 codes).
     */
    private static final int GRID = 1 << 16;

    private static final float[] MAP = DynamicMap.signed();
    private static final byte[] CODES = nearestEntries();
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private DoubleQuantisation() {}

    /** The values in 8 bits, in memory of {@code arena}. */
    public static BlockScales.Nested quantise(float[] absmax, Arena arena) {
        float offset = CascadeSum.sum(absmax) / absmax.length;
        int nestedBlocks = (absmax.length + NESTED_BLOCK_SIZE - 1) / NESTED_BLOCK_SIZE;
        MemorySegment codes = arena.allocate(absmax.length, 64);
        MemorySegment nested = arena.allocate(4L * nestedBlocks, 64);
        for (int block = 0; block < nestedBlocks; block++) {
            int first = block * NESTED_BLOCK_SIZE;
            int end = Math.min(absmax.length, first + NESTED_BLOCK_SIZE);
            float largest = 0;
            for (int i = first; i < end; i++) {
                largest = Math.max(largest, Math.abs(absmax[i] - offset));
            }
            nested.set(FLOAT, 4L * block, largest);
            float reciprocal = 1.0f / largest;
            for (int i = first; i < end; i++) {
                float centred = absmax[i] - offset;
                codes.set(ValueLayout.JAVA_BYTE, i, code(centred == 0 ? 0 : centred * reciprocal));
            }
        }
        MemorySegment map = arena.allocate(4L * MAP.length, 64);
        MemorySegment.copy(MAP, 0, map, FLOAT, 0, MAP.length);
        return new BlockScales.Nested(
                new Tensor(codes, DType.U8, Shape.of(absmax.length)),
                new Tensor(map, DType.F32, Shape.of(MAP.length)),
                new Tensor(nested, DType.F32, Shape.of(nestedBlocks)),
                NESTED_BLOCK_SIZE,
                offset);
    }

    /** Code of a value scaled to [-1, 1]. */
    static byte code(float scaled) {
        float clamped = Math.clamp(scaled, -1.0f, 1.0f);
        return CODES[(int) Math.rint((clamped + 1.0) * 0.5 * (GRID - 1))];
    }

    private static byte[] nearestEntries() {
        byte[] codes = new byte[GRID];
        int entry = 0;
        for (int point = 0; point < GRID; point++) {
            double value = -1 + 2.0 * point / (GRID - 1);
            while (entry + 1 < MAP.length && value > ((double) MAP[entry] + MAP[entry + 1]) / 2) {
                entry++;
            }
            codes[point] = (byte) entry;
        }
        return codes;
    }

    /** The absmax of every block, [blocks]: two roundings for a nested one, as bitsandbytes does. */
    public static float[] absmax(BlockScales scales) {
        return switch (scales) {
            case BlockScales.Plain plain -> floats(plain.absmax());
            case BlockScales.Nested nested -> {
                float[] map = floats(nested.map());
                float[] nestedAbsmax = floats(nested.nestedAbsmax());
                float[] absmax =
                        new float[Math.toIntExact(nested.codes().shape().elements())];
                for (int i = 0; i < absmax.length; i++) {
                    int code = Byte.toUnsignedInt(nested.codes().data().get(ValueLayout.JAVA_BYTE, i));
                    float scaled = map[code] * nestedAbsmax[i / nested.nestedBlockSize()];
                    absmax[i] = scaled + nested.offset();
                }
                yield absmax;
            }
        };
    }

    private static float[] floats(Tensor tensor) {
        return tensor.data().toArray(FLOAT);
    }
}
