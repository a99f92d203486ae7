package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.tensor.DType;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Collections;
import java.util.function.IntFunction;

/** {@link FewRowsLanes} in machine code for 512 bits ({@link WideFewRowsAssembly}): one function a number of rows. */
final class WideFewRows implements FewRowsLanes {
    /** Six registers, then the stack. */
    private static final MemoryLayout[] ARGUMENTS = Collections.nCopies(
                    6 + WideFewRowsAssembly.Argument.values().length, JAVA_LONG)
            .toArray(MemoryLayout[]::new);

    private static final MethodHandle[] FOUR_BIT = functions(rows -> WideFewRowsAssembly.fourBit(rows, 2));
    private static final MethodHandle[] FOUR_BIT_HALF = functions(rows -> WideFewRowsAssembly.fourBit(rows, 1));
    private static final MethodHandle[] BF16 = functions(rows -> WideFewRowsAssembly.bf16(rows, 2));
    private static final MethodHandle[] BF16_HALF = functions(rows -> WideFewRowsAssembly.bf16(rows, 1));
    private static final MethodHandle[] COMPRESSED = functions(WideFewRowsAssembly::compressed);
    /** Units of an item: a number that leaves no odd one at the end of a share, if there is one. */
    private static final int MOST_UNITS = 9;

    private static final int LEAST_UNITS = 3;

    /** Measured: 252 rows take 0.94 of the time that panels need, 372 as much. */
    private static final int PASSES = 21;

    private static final int HALF_ROWS = WideFewRowsAssembly.HALF / Float.BYTES;
    private static final long UPPER_HALVES = upperHalves();

    private static MethodHandle[] functions(IntFunction<byte[]> code) {
        MethodHandle[] functions = new MethodHandle[WideFewRowsAssembly.MOST + 1];
        for (int rows = 1; rows <= WideFewRowsAssembly.MOST; rows++) {
            functions[rows] = MachineCode.function(code.apply(rows), ARGUMENTS);
        }
        return functions;
    }

    private static long upperHalves() {
        int[] mask = new int[Lanes.LINE / Integer.BYTES];
        Arrays.fill(mask, 0xffff0000);
        return MachineCode.constant(MemorySegment.ofArray(mask));
    }

    @Override
    public int most() {
        return WideFewRowsAssembly.MOST;
    }

    @Override
    public int passes() {
        return PASSES;
    }

    @Override
    public boolean takes(Tiles tiles, int rows) {
        return switch (tiles) {
            case Tiles.FourBit fourBit -> rows > 1;
            case Tiles.Packed packed -> false;
            case Tiles.Dense dense -> dense.dtype() == DType.BF16 && dense.columns() % Linear.DENSE_SEGMENT == 0;
            case Tiles.Compressed compressed -> true;
        };
    }

    @Override
    public int item(int share) {
        for (int units = MOST_UNITS; units >= LEAST_UNITS; units--) {
            if (share % units == 0) {
                return units;
            }
        }
        return MOST_UNITS;
    }

    @Override
    public int unitRows() {
        return HALF_ROWS;
    }

    @Override
    public long scratchBytes(int columns, int units) {
        return WideFewRowsAssembly.TOTAL_BYTES + WideFewRowsAssembly.inputBytes(columns, WideFewRowsAssembly.MOST);
    }

    @Override
    public void multiply(FewRowsProduct product) {
        if (product.tiles instanceof Tiles.Compressed compressed) {
            multiply(product, compressed);
            return;
        }
        int done = 0;
        while (done < product.count) {
            int unit = product.unit + done;
            boolean whole = unit % 2 == 0 && product.count - done >= 2;
            int times = whole ? (product.count - done) / 2 : 1;
            multiply(product, unit, whole, times, product.out + (long) done * WideFewRowsAssembly.HALF, done > 0);
            done += whole ? 2 * times : 1;
        }
    }

    /**
     * @param unit the first
     * @param whole whether it is whole tiles; else one half
     * @param again whether x has been written out for the units before
     */
    private static void multiply(FewRowsProduct product, int unit, boolean whole, int times, long out, boolean again) {
        MethodHandle code;
        long constant;
        long at;
        long tileBytes;
        int segment;
        long upcoming = 0;
        switch (product.tiles) {
            case Tiles.FourBit four -> {
                code = (whole ? FOUR_BIT : FOUR_BIT_HALF)[product.rows];
                constant = four.table().floats();
                at = four.tile(unit / 2);
                tileBytes = four.tile(1) - four.tile(0);
                segment = four.segment();
                int pieces = four.columns() / segment * times * (whole ? 2 : 1);
                upcoming = product.upcoming.take(product.thread, pieces);
            }
            case Tiles.Dense dense -> {
                code = (whole ? BF16 : BF16_HALF)[product.rows];
                constant = UPPER_HALVES;
                at = dense.tile(unit / 2);
                tileBytes = dense.tile(1) - dense.tile(0);
                segment = Linear.DENSE_SEGMENT;
            }
            case Tiles.Packed packed -> throw new IllegalStateException("a few rows by a packed weight");
            case Tiles.Compressed compressed -> throw new IllegalStateException("tiles of units");
        }
        try {
            code.invokeExact(
                    product.x,
                    product.xRow,
                    unit % 2 == 0 ? at : at + WideFewRowsAssembly.HALF,
                    (long) times,
                    constant,
                    out,
                    product.outRow,
                    (long) (product.tiles.columns() / segment),
                    (long) (segment / 8),
                    product.scratch + WideFewRowsAssembly.TOTAL_BYTES,
                    product.again || again ? 0L : 1L,
                    product.scratch,
                    tileBytes,
                    upcoming,
                    product.upcoming.step(upcoming),
                    product.upcoming.offset(upcoming));
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    private static void multiply(FewRowsProduct product, Tiles.Compressed tiles) {
        try {
            COMPRESSED[product.rows].invokeExact(
                    product.x,
                    product.xRow,
                    tiles.unit(product.unit),
                    (long) product.count,
                    tiles.constants(),
                    product.out,
                    product.outRow,
                    (long) tiles.segments(),
                    (long) (Linear.DENSE_SEGMENT / 8),
                    product.scratch + WideFewRowsAssembly.TOTAL_BYTES,
                    product.again ? 0L : 1L,
                    product.scratch,
                    tiles.kinds(product.unit),
                    0L,
                    0L,
                    0L);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }
}
