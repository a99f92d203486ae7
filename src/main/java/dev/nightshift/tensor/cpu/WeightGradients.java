package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * {@code dX = dY W} through a frozen weight. Each item owns a stripe of W's columns and walks all of W's rows in order: a few
 * tiles at a time become a small [rows of W][stripe] matrix in the cache, times the matching columns of dY.
 */
final class WeightGradients {
    /** Rows of W decoded before each product: with a stripe of 64 columns 64 KiB. */
    private static final int DEPTH = 256;

    private static final int STRIPE = 64;

    private final Workers workers;
    private final FourBitLanes fourBit;
    private final DenseLanes dense;
    private final int tileRows;
    private final float[][] panel;
    private final float[][] scales;
    private final Scratch scratch;

    WeightGradients(Workers workers, int bits, Scratch scratch) {
        this.workers = workers;
        this.scratch = scratch;
        fourBit = Lanes.at(bits, FourBitLanes.class, FourBitVectors.class);
        dense = Lanes.at(bits, DenseLanes.class, DenseVectors.class);
        tileRows = Linear.tileRows(bits);
        panel = new float[workers.threads()][];
        scales = new float[workers.threads()][];
    }

    void run(Tensor dx, Tensor dy, PreparedWeight weight, boolean accumulate) {
        int columns = weight.columns();
        int stripe = STRIPE;
        for (int part = 0; part < weight.parts(); part++) {
            if (weight.part(part) instanceof Tiles.FourBit four) {
                stripe = Math.max(stripe, four.segment());
            }
        }
        int width = stripe;
        long dxs = Raw.address(dx);
        long dys = Raw.address(dy);
        int rows = Math.toIntExact(dy.shape().axis(0));
        workers.run(
                (item, thread) -> {
                    int from = item * width;
                    int to = Math.min(columns, from + width);
                    boolean fresh = !accumulate;
                    for (int part = 0; part < weight.parts(); part++) {
                        long y = dys + 4L * weight.firstRow(part);
                        stripe(dxs, y, 4L * weight.rows(), weight.part(part), rows, from, to, fresh, thread);
                        fresh = false;
                    }
                },
                (columns + width - 1) / width);
    }

    private void stripe(
            long dx, long dy, long strideY, Tiles tiles, int rows, int from, int to, boolean fresh, int thread) {
        int width = to - from;
        long matrix = scratch.of(thread, 4L * DEPTH * width);
        int perGroup = DEPTH / tileRows;
        boolean first = fresh;
        for (int tile = 0; tile < tiles.tiles(); tile += perGroup) {
            int last = Math.min(tiles.tiles(), tile + perGroup);
            for (int t = tile; t < last; t++) {
                decode(tiles, t, from, to, matrix + 4L * (t - tile) * tileRows * width, thread);
            }
            int depth = Math.min(last * tileRows, tiles.rows()) - tile * tileRows;
            Gemms.rowsTimes(
                    dx + 4L * from,
                    4L * tiles.columns(),
                    dy + 4L * tile * tileRows,
                    strideY,
                    matrix,
                    4L * width,
                    rows,
                    width,
                    depth,
                    1,
                    first);
            first = false;
        }
    }

    /** Columns [from, to) of a tile: matrix [tileRows][to - from]. */
    private void decode(Tiles tiles, int tile, int from, int to, long matrix, int thread) {
        int width = to - from;
        switch (tiles) {
            case Tiles.FourBit four -> {
                int segments = width / four.segment();
                reserve(thread, width, segments);
                long at = four.tile(tile) + (long) (from / four.segment()) * four.segmentBytes();
                fourBit.panel(at, segments, four.segment(), four.table(), panel[thread], scales[thread]);
                turn(panel[thread], scales[thread], four.segment(), width, matrix);
            }
            case Tiles.Dense wide -> {
                reserve(thread, width + 1, 1);
                long at = wide.tile(tile) + 4L * tileRows * (wide.dtype() == DType.F32 ? from : from / 2);
                switch (wide.dtype()) {
                    case BF16 -> dense.bf16Panel(at, width, panel[thread]);
                    case F16 -> dense.f16Panel(at, width, panel[thread]);
                    case F32 -> MemorySegment.copy(Raw.ALL, Raw.F32, at, panel[thread], 0, width * tileRows);
                    case I64, I32, U8 -> throw new IllegalStateException("tiles of " + wide.dtype());
                }
                turn(panel[thread], null, width, width, matrix);
            }
            case Tiles.Packed packed -> {
                int valid = Math.min(tileRows, packed.rows() - tile * tileRows);
                for (int lane = 0; lane < valid; lane++) {
                    for (int k = 0; k < width; k++) {
                        Raw.f32(matrix + 4L * (lane * width + k), packed.element(tile * tileRows + lane, from + k));
                    }
                }
            }
        }
    }

    private void reserve(int thread, int width, int segments) {
        if (panel[thread] == null || panel[thread].length < width * tileRows) {
            panel[thread] = new float[width * tileRows];
        }
        if (scales[thread] == null || scales[thread].length < segments * tileRows) {
            scales[thread] = new float[segments * tileRows];
        }
    }

    /**
     * [width][tileRows] -> [tileRows][width], each row's segment times its scale (null = 1). Eight k of one row are written
     * together: a line of the target at a time, while the source's lines stay in the cache.
     */
    private void turn(float[] values, float[] factors, int segment, int width, long matrix) {
        int k = 0;
        for (; k + 8 <= width; k += 8) {
            int scale = k / segment * tileRows;
            boolean one = k % segment + 8 <= segment;
            for (int lane = 0; lane < tileRows; lane++) {
                float factor = factors == null ? 1 : factors[scale + lane];
                if (one) {
                    eight(values, k * tileRows + lane, factor, matrix + 4L * (lane * width + k));
                } else {
                    for (int i = k; i < k + 8; i++) {
                        element(values, factors, i, lane, segment, width, matrix);
                    }
                }
            }
        }
        for (; k < width; k++) {
            for (int lane = 0; lane < tileRows; lane++) {
                element(values, factors, k, lane, segment, width, matrix);
            }
        }
    }

    private void element(float[] values, float[] factors, int k, int lane, int segment, int width, long matrix) {
        float factor = factors == null ? 1 : factors[k / segment * tileRows + lane];
        Raw.f32(matrix + 4L * (lane * width + k), values[k * tileRows + lane] * factor);
    }

    private void eight(float[] values, int from, float factor, long to) {
        int step = tileRows;
        Raw.f32(to, values[from] * factor);
        Raw.f32(to + 4, values[from + step] * factor);
        Raw.f32(to + 8, values[from + 2 * step] * factor);
        Raw.f32(to + 12, values[from + 3 * step] * factor);
        Raw.f32(to + 16, values[from + 4 * step] * factor);
        Raw.f32(to + 20, values[from + 5 * step] * factor);
        Raw.f32(to + 24, values[from + 6 * step] * factor);
        Raw.f32(to + 28, values[from + 7 * step] * factor);
    }
}
