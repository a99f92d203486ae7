package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.tensor.DType;
import java.lang.invoke.MethodHandle;

/** Tiles of {@link Tiles.Compressed} as {@link Tiles.Dense} has them, for kernels that gain nothing by short weights. */
final class Unpack {
    private static final MethodHandle CODE =
            MachineCode.function(UnpackAssembly.code(), JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

    /** Bytes of a segment of a tile. */
    static final long SEGMENT_BYTES =
            Tiles.Dense.tileBytes(DType.BF16, Linear.DENSE_SEGMENT, 2 * Tiles.Compressed.UNIT_ROWS);

    private Unpack() {}

    /**
     * Writes a stretch of a tile.
     *
     * @param to address of {@link #SEGMENT_BYTES} times {@code count}
     */
    static void segments(Tiles.Compressed tiles, int tile, int first, int count, long to) {
        for (int half = 0; half < 2; half++) {
            int unit = 2 * tile + half;
            try {
                CODE.invokeExact(
                        tiles.piece(unit, first),
                        tiles.kinds(unit) + first,
                        to + (long) half * Tiles.Compressed.LINES,
                        (long) count,
                        tiles.constants());
            } catch (Throwable e) {
                throw MachineCode.thrown(e);
            }
        }
    }
}
