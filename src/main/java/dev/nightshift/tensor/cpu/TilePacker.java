package dev.nightshift.tensor.cpu;

import dev.nightshift.quant.DoubleQuantisation;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/** Brings weights into tiles, all threads packing. */
final class TilePacker {
    private static final int[] SEGMENTS = {64, 32, 16, 8};
    private static final int F16_EXPONENT = 0x7c00;
    private static final int LOW_NIBBLES = 0x0f0f0f0f;

    private final HostMemory memory;
    private final Workers workers;
    private final int tileRows;
    private final CodeOrder order;
    private final boolean compresses;

    TilePacker(HostMemory memory, Workers workers, Kernels kernels) {
        this.memory = memory;
        this.workers = workers;
        tileRows = Linear.tileRows(kernels.bits());
        order = kernels.codeOrder();
        compresses = kernels.compresses();
    }

    PreparedWeight pack(Weight weight) {
        List<Weight> parts = weight instanceof Weight.Fused fused ? fused.parts() : List.of(weight);
        Tiles[] tiles = new Tiles[parts.size()];
        for (int i = 0; i < tiles.length; i++) {
            tiles[i] = part(parts.get(i));
        }
        return new PreparedWeight(tiles);
    }

    private Tiles part(Weight weight) {
        return switch (weight) {
            case Weight.Dense dense -> compressed(dense).orElseGet(() -> dense(dense));
            case Weight.FourBit fourBit -> fourBit(fourBit);
            case Weight.Fused fused -> throw new IllegalStateException("fused inside fused: " + fused.rows() + " rows");
            case PreparedWeight prepared when prepared.parts() == 1 -> prepared.part(0);
            case Weight.Prepared prepared ->
                throw new IllegalStateException("prepared weight of %d rows as a part".formatted(prepared.rows()));
        };
    }

    private Tiles fourBit(Weight.FourBit weight) {
        if (weight.blockSize() < 1) {
            throw new IllegalStateException("block size " + weight.blockSize());
        }
        CodeTable table = CodeTable.of(weight.code());
        for (int segment : SEGMENTS) {
            if (weight.columns() % segment == 0 && weight.blockSize() % segment == 0) {
                return tiled(weight, table, segment);
            }
        }
        MemorySegment packed =
                memory.allocate(MemoryPart.WEIGHTS, weight.packed().bytes());
        packed.copyFrom(weight.packed().data());
        MemorySegment absmax = absmax(weight);
        return new Tiles.Packed(
                weight.rows(),
                weight.columns(),
                tileRows,
                weight.blockSize(),
                table,
                packed.address(),
                absmax.address());
    }

    private MemorySegment absmax(Weight.FourBit weight) {
        float[] absmax = checkedAbsmax(weight);
        MemorySegment kept = memory.allocate(MemoryPart.WEIGHTS, 4L * absmax.length);
        MemorySegment.copy(absmax, 0, kept, ValueLayout.JAVA_FLOAT, 0, absmax.length);
        return kept;
    }

    private static float[] checkedAbsmax(Weight.FourBit weight) {
        float[] absmax = DoubleQuantisation.absmax(weight.scales());
        long elements = (long) weight.rows() * weight.columns();
        long blocks = (elements + weight.blockSize() - 1) / weight.blockSize();
        if (absmax.length != blocks) {
            throw new IllegalStateException("4-bit weight [%d, %d] in blocks of %d has %d scales, needs %d"
                    .formatted(weight.rows(), weight.columns(), weight.blockSize(), absmax.length, blocks));
        }
        return absmax;
    }

    private Tiles tiled(Weight.FourBit weight, CodeTable table, int segment) {
        int columns = weight.columns();
        int rows = weight.rows();
        int count = (rows + tileRows - 1) / tileRows;
        long bytes = (long) count * (columns / segment) * tileRows * (Float.BYTES + segment / 2);
        Tiles.FourBit tiles = new Tiles.FourBit(
                rows,
                columns,
                tileRows,
                segment,
                order,
                table,
                memory.allocate(MemoryPart.WEIGHTS, bytes).address());
        float[] absmax = checkedAbsmax(weight);
        MemorySegment packed = weight.packed().data();
        workers.run((tile, thread) -> fill(tiles, tile, packed, absmax, weight.blockSize()), count);
        return tiles;
    }

    private static void fill(Tiles.FourBit tiles, int tile, MemorySegment packed, float[] absmax, int blockSize) {
        int lanes = tiles.tileRows();
        int segment = tiles.segment();
        int valid = Math.min(lanes, tiles.rows() - tile * lanes);
        for (int lane = 0; lane < valid; lane++) {
            long first = (long) (tile * lanes + lane) * tiles.columns();
            long at = tiles.tile(tile);
            for (int k = 0; k < tiles.columns(); k += segment) {
                Raw.f32(at + 4L * lane, absmax[(int) ((first + k) / blockSize)]);
                for (int octet = 0; octet < segment; octet += 8) {
                    at += 4L * lanes;
                    int bytes = packed.get(Raw.I32, (first + k + octet) / 2);
                    // the first element of a byte is its high nibble; here nibble t is element t
                    tiles.order().store(at, lane, (bytes & LOW_NIBBLES) << 4 | bytes >>> 4 & LOW_NIBBLES);
                }
                at += 4L * lanes;
            }
        }
    }

    private Optional<Tiles> compressed(Weight.Dense weight) {
        return compresses
                ? CompressedPacker.pack(memory, workers, weight.values()).map(Tiles.class::cast)
                : Optional.empty();
    }

    private Tiles dense(Weight.Dense weight) {
        Tensor values = weight.values();
        DType dtype = switch (values.dtype()) {
            case BF16, F32 -> values.dtype();
            case F16 -> finiteF16(values) ? DType.F16 : DType.F32;
            case I64, I32, U8 -> throw new UnsupportedOperationException("weight of type " + values.dtype());
        };
        int rows = weight.rows();
        int count = (rows + tileRows - 1) / tileRows;
        long bytes = count * Tiles.Dense.tileBytes(dtype, weight.columns(), tileRows);
        Tiles.Dense tiles = new Tiles.Dense(
                dtype,
                rows,
                weight.columns(),
                tileRows,
                memory.allocate(MemoryPart.WEIGHTS, bytes).address());
        workers.run((tile, thread) -> fill(tiles, tile, values), count);
        return tiles;
    }

    private static void fill(Tiles.Dense tiles, int tile, Tensor values) {
        int lanes = tiles.tileRows();
        int columns = tiles.columns();
        int valid = Math.min(lanes, tiles.rows() - tile * lanes);
        for (int lane = 0; lane < valid; lane++) {
            long first = (long) (tile * lanes + lane) * columns;
            long at = tiles.tile(tile) + 4L * lane;
            if (tiles.dtype() == DType.F32) {
                for (int k = 0; k < columns; k++, at += 4L * lanes) {
                    Raw.f32(at, value(values, first + k));
                }
            } else {
                for (int k = 0; k < columns; k += 2, at += 4L * lanes) {
                    int low = values.data().get(Raw.I16, 2 * (first + k)) & 0xffff;
                    int high = k + 1 < columns ? values.data().get(Raw.I16, 2 * (first + k + 1)) : 0;
                    Raw.i32(at, high << 16 | low);
                }
            }
        }
    }

    private static float value(Tensor values, long index) {
        return values.dtype() == DType.F32
                ? values.data().get(Raw.F32, 4 * index)
                : Float.float16ToFloat(values.data().get(Raw.I16, 2 * index));
    }

    private static boolean finiteF16(Tensor values) {
        long count = values.shape().elements();
        for (long i = 0; i < count; i++) {
            if ((values.data().get(Raw.I16, 2 * i) & F16_EXPONENT) == F16_EXPONENT) {
                return false;
            }
        }
        return true;
    }

    /** The absmax of one block of a weight that is not prepared; two roundings where it is nested. */
    static float absmax(BlockScales scales, long block) {
        return switch (scales) {
            case BlockScales.Plain plain -> plain.absmax().data().get(Raw.F32, 4 * block);
            case BlockScales.Nested nested -> {
                int code = nested.codes().data().get(ValueLayout.JAVA_BYTE, block) & 0xff;
                float unit = nested.map().data().get(Raw.F32, 4L * code);
                yield unit * nested.nestedAbsmax().data().get(Raw.F32, 4 * (block / nested.nestedBlockSize()))
                        + nested.offset();
            }
        };
    }
}
