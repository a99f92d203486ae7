package dev.nightshift.quant;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * Block quantisation of 16- and 32-bit matrices to 4 bits, with the bytes that bitsandbytes writes: absmax per block of the
 * flattened matrix, values times its reciprocal, nearest level. Works block by block, in parallel, with no copy of the source.
 *
 * @param blockSize elements that share an absmax: a power of two, {@value #BLOCK_SIZE_MIN} to {@value #BLOCK_SIZE_MAX}
 * @param doubleQuantised whether absmax values are stored in 8 bits (QLoRA section 3)
 */
public record FourBitQuantiser(FourBitCode code, int blockSize, boolean doubleQuantised) {
    public static final int BLOCK_SIZE_MIN = 32;
    public static final int BLOCK_SIZE_MAX = 4096;
    /** Elements per task: large enough to hide the task's cost, small enough to stay in a core's cache. */
    private static final int CHUNK_ELEMENTS = 1 << 16;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    public FourBitQuantiser {
        java.util.Objects.requireNonNull(code, "code is null");
        if (blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX || Integer.bitCount(blockSize) != 1) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "block size %d is no power of two from %d to %d"
                            .formatted(blockSize, BLOCK_SIZE_MIN, BLOCK_SIZE_MAX));
        }
    }

    /**
     * The matrix in 4 bits, in memory of {@code arena}, which must be accessible from all threads.
     *
     * @param source [rows, columns] F32, BF16 or F16
     * @throws ServingException if a value is NaN or infinite
     */
    public Weight.FourBit quantise(Tensor source, Arena arena) {
        if (source.shape().rank() != 2) {
            throw new IllegalStateException("weight of shape " + source.shape());
        }
        long elements = source.shape().elements();
        int blocks = Math.toIntExact((elements + blockSize - 1) / blockSize);
        Tensor packed = new Tensor(arena.allocate((elements + 1) / 2, 64), DType.U8, Shape.of((elements + 1) / 2));
        float[] absmax = new float[blocks];
        int blocksPerTask = CHUNK_ELEMENTS / blockSize;
        int tasks = (blocks + blocksPerTask - 1) / blocksPerTask;
        IntStream.range(0, tasks).parallel().forEach(task -> {
            float[] values = new float[blockSize];
            int end = Math.min(blocks, (task + 1) * blocksPerTask);
            for (int block = task * blocksPerTask; block < end; block++) {
                absmax[block] = quantiseBlock(source, block, values, packed.data());
            }
        });
        BlockScales scales = doubleQuantised
                ? DoubleQuantisation.quantise(absmax, arena)
                : new BlockScales.Plain(new Tensor(copy(absmax, arena), DType.F32, Shape.of(blocks)));
        int rows = Math.toIntExact(source.shape().axis(0));
        int columns = Math.toIntExact(source.shape().axis(1));
        return new Weight.FourBit(code, rows, columns, blockSize, packed, scales);
    }

    private float quantiseBlock(Tensor source, int block, float[] values, MemorySegment packed) {
        long first = (long) block * blockSize;
        int count = (int) Math.min(blockSize, source.shape().elements() - first);
        read(source, first, values, count);
        float absmax = 0;
        boolean finite = true;
        for (int i = 0; i < count; i++) {
            float magnitude = Math.abs(values[i]);
            finite &= magnitude <= Float.MAX_VALUE;
            absmax = Math.max(absmax, magnitude);
        }
        if (!finite) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "weight %s holds a NaN or an infinite value in block %d".formatted(source.shape(), block));
        }
        CodeBook book = CodeBook.of(code);
        float reciprocal = 1.0f / absmax;
        for (int i = 0; i < count; i += 2) {
            int high = codeOf(book, values[i], reciprocal);
            int low = i + 1 < count ? codeOf(book, values[i + 1], reciprocal) : 0;
            packed.set(ValueLayout.JAVA_BYTE, (first + i) / 2, (byte) (high << 4 | low));
        }
        return absmax;
    }

    /** A zero times the reciprocal of a zero or subnormal absmax is NaN; it takes the code of zero. */
    private static int codeOf(CodeBook book, float value, float reciprocal) {
        return value == 0 ? book.zeroCode() : book.code(value * reciprocal);
    }

    private static void read(Tensor source, long first, float[] values, int count) {
        MemorySegment data = source.data();
        switch (source.dtype()) {
            case F32 -> MemorySegment.copy(data, FLOAT, first * 4, values, 0, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = BFloat16.toFloat(data.get(SHORT, (first + i) * 2));
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = Float.float16ToFloat(data.get(SHORT, (first + i) * 2));
                }
            }
            case I64, I32, U8 -> throw new IllegalStateException("weight of type " + source.dtype());
        }
    }

    private static MemorySegment copy(float[] values, Arena arena) {
        MemorySegment segment = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, segment, FLOAT, 0, values.length);
        return segment;
    }
}
