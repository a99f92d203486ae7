package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Brings BF16 weights into {@link Tiles.Compressed}. Weights of trained models are nearly normally distributed, so 16 exponents cover
 * all but one value in ten thousand; the embedding of SmolLM2-135M has 13 exponents in all.
 */
final class CompressedPacker {
    /** Exponents of BF16. */
    private static final int EXPONENTS = 256;
    /** Of the bytes of BF16, what a weight may take at most to be compressed. */
    private static final double WORTH = 0.875;

    private final HostMemory memory;
    private final Workers workers;
    private final Tensor values;
    private final int rows;
    private final int columns;
    private final int units;
    private final int segments;

    private CompressedPacker(HostMemory memory, Workers workers, Tensor values) {
        this.memory = memory;
        this.workers = workers;
        this.values = values;
        rows = Math.toIntExact(values.shape().axis(0));
        columns = Math.toIntExact(values.shape().axis(1));
        units = 2 * RowGroups.count(rows, 2 * Tiles.Compressed.UNIT_ROWS);
        segments = columns / Linear.DENSE_SEGMENT;
    }

    /**
     * @param values [rows, columns]
     * @return nothing where the values don't allow it: not BF16, no whole segments, or exponents of too many kinds
     */
    static Optional<Tiles.Compressed> pack(HostMemory memory, Workers workers, Tensor values) {
        return values.dtype() != DType.BF16 || values.shape().axis(1) % Linear.DENSE_SEGMENT != 0
                ? Optional.empty()
                : new CompressedPacker(memory, workers, values).pack();
    }

    private Optional<Tiles.Compressed> pack() {
        int[] exponents = mostFrequent();
        boolean[] covered = new boolean[EXPONENTS];
        for (int exponent : exponents) {
            covered[exponent] = true;
        }
        byte[] kinds = new byte[units * segments];
        workers.run((unit, thread) -> choose(unit, covered, kinds), units);
        long[] offsets = new long[units + 1];
        for (int unit = 0; unit < units; unit++) {
            offsets[unit + 1] = offsets[unit];
            for (int segment = 0; segment < segments; segment++) {
                offsets[unit + 1] += Tiles.Compressed.pieceBytes(kinds[unit * segments + segment]);
            }
        }
        if (offsets[units] > WORTH * units * segments * Tiles.Compressed.RAW_BYTES) {
            return Optional.empty();
        }
        MemorySegment kept = memory.allocate(MemoryPart.WEIGHTS, Tiles.Compressed.CONSTANT_BYTES + kinds.length);
        kept.copyFrom(MemorySegment.ofArray(Tiles.Compressed.constants(exponents)));
        long kindsAt = kept.address() + Tiles.Compressed.CONSTANT_BYTES;
        MemorySegment.copy(kinds, 0, kept, ValueLayout.JAVA_BYTE, Tiles.Compressed.CONSTANT_BYTES, kinds.length);
        long pieces = memory.allocate(MemoryPart.WEIGHTS, offsets[units]).address();
        Tiles.Compressed tiles =
                new Tiles.Compressed(rows, columns, exponents, kept.address(), kindsAt, pieces, offsets);
        int[] codes = new int[EXPONENTS];
        for (int code = 0; code < exponents.length; code++) {
            codes[exponents[code]] = code;
        }
        workers.run((unit, thread) -> fill(tiles, unit, codes), units);
        return Optional.of(tiles);
    }

    /** The 16 exponents that occur most often. */
    private int[] mostFrequent() {
        long[][] counts = new long[workers.threads()][EXPONENTS];
        workers.run((unit, thread) -> count(unit, counts[thread]), units);
        long[] all = new long[EXPONENTS];
        for (long[] some : counts) {
            for (int exponent = 0; exponent < EXPONENTS; exponent++) {
                all[exponent] += some[exponent];
            }
        }
        return IntStream.range(0, EXPONENTS)
                .boxed()
                .sorted(Comparator.comparingLong(exponent -> -all[exponent]))
                .limit(Tiles.Compressed.CODES)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static int exponent(short value) {
        return value >> 7 & 0xff;
    }

    private int validRows(int unit) {
        return Math.clamp(rows - unit * Tiles.Compressed.UNIT_ROWS, 0, Tiles.Compressed.UNIT_ROWS);
    }

    private void read(int unit, int row, short[] to) {
        long first = ((long) unit * Tiles.Compressed.UNIT_ROWS + row) * columns;
        MemorySegment.copy(values.data(), Raw.I16, 2 * first, to, 0, columns);
    }

    private void count(int unit, long[] counts) {
        short[] row = new short[columns];
        for (int i = 0; i < validRows(unit); i++) {
            read(unit, i, row);
            for (short value : row) {
                counts[exponent(value)]++;
            }
        }
    }

    private void choose(int unit, boolean[] covered, byte[] kinds) {
        short[] row = new short[columns];
        for (int i = 0; i < validRows(unit); i++) {
            read(unit, i, row);
            for (int k = 0; k < columns; k++) {
                if (!covered[exponent(row[k])]) {
                    kinds[unit * segments + k / Linear.DENSE_SEGMENT] = Tiles.Compressed.RAW;
                }
            }
        }
    }

    /** Rows that do not exist are zeros: of the first code, or of memory that is zero. */
    private void fill(Tiles.Compressed tiles, int unit, int[] codes) {
        short[] row = new short[columns];
        for (int lane = 0; lane < Tiles.Compressed.UNIT_ROWS; lane++) {
            if (lane < validRows(unit)) {
                read(unit, lane, row);
            } else {
                Arrays.fill(row, (short) 0);
            }
            long piece = tiles.unit(unit);
            for (int segment = 0; segment < segments; segment++) {
                byte kind = tiles.kind(unit, segment);
                long at = piece + (long) lane * Integer.BYTES;
                int k = segment * Linear.DENSE_SEGMENT;
                if (kind == Tiles.Compressed.RAW) {
                    raw(row, k, at);
                } else {
                    coded(row, k, at, codes);
                }
                piece += Tiles.Compressed.pieceBytes(kind);
            }
        }
    }

    private static void raw(short[] row, int from, long at) {
        for (int pair = 0; pair < Linear.DENSE_SEGMENT / 2; pair++) {
            int k = from + 2 * pair;
            Raw.i32(at + (long) pair * Tiles.Compressed.LINES, row[k + 1] << 16 | row[k] & 0xffff);
        }
    }

    private static void coded(short[] row, int from, long at, int[] codes) {
        for (int k = from; k < from + Linear.DENSE_SEGMENT; k += 8) {
            int places = 0;
            for (int pair = 0; pair < 4; pair++) {
                places |= codes[exponent(row[k + 2 * pair])] << 4 * pair;
                places |= codes[exponent(row[k + 2 * pair + 1])] << 4 * pair + 16;
            }
            Raw.i32(at, four(row, k));
            Raw.i32(at + Tiles.Compressed.LINES, four(row, k + 4));
            Raw.i32(at + 2 * Tiles.Compressed.LINES, places);
            at += Tiles.Compressed.OCTET_BYTES;
        }
    }

    /** Signs and mantissas of two pairs, the second pair's in the bits that the first one leaves. */
    private static int four(short[] row, int k) {
        int first = (row[k + 1] << 16 | row[k] & 0xffff) & Tiles.Compressed.KEPT;
        int second = (row[k + 3] << 16 | row[k + 2] & 0xffff) & Tiles.Compressed.KEPT;
        return first | Integer.rotateRight(second, Tiles.Compressed.TURN);
    }
}
