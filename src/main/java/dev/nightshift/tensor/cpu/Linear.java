package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * {@code y = x W^T}. One row goes through the fused kernels; of several rows each thread brings a tile of the weight into a
 * panel that fits its cache, and multiplies all rows with it. Both build every output as the same chain: sums over a segment
 * of k from zero, each folded into the total with the segment's scale.
 */
final class Linear implements Workers.Job {
    /** Length of the segments where a weight has no blocks of its own. */
    static final int DENSE_SEGMENT = 64;
    /** Rows of x that share a panel. */
    private static final int ROWS = 512;
    /** Floats of a panel: 192 KiB, within the second-level cache. */
    private static final int PANEL = 49_152;
    /** Floats of x taken at a time. */
    private static final int INPUT = 1 << 20;

    private final Workers workers;
    private final FourBitLanes fourBit;
    private final DenseLanes dense;
    private final PanelLanes panels;
    private final int tileRows;
    private final int depth;
    private final float[] ones;
    private final float[][] panel;
    private final float[][] scales;
    private final float[][] totals;
    private final Adapters adapters;

    private float[] input = new float[0];
    private PreparedWeight weight;
    private int rows;
    private long out;
    private long outStride;
    private long bias;

    Linear(Workers workers, int bits, Adapters adapters) {
        this.workers = workers;
        this.adapters = adapters;
        fourBit = Lanes.at(bits, FourBitLanes.class, FourBitVectors.class);
        dense = Lanes.at(bits, DenseLanes.class, DenseVectors.class);
        panels = Lanes.at(bits, PanelLanes.class, PanelVectors.class);
        tileRows = tileRows(bits);
        depth = PANEL / tileRows / DENSE_SEGMENT * DENSE_SEGMENT;
        ones = new float[depth / 8 * tileRows];
        Arrays.fill(ones, 1);
        int threads = workers.threads();
        // an odd number of columns leaves one k more in a panel of pairs
        panel = new float[threads][(depth + 1) * tileRows];
        scales = new float[threads][depth / 8 * tileRows];
        totals = new float[threads][ROWS * tileRows];
    }

    /** Four vectors of rows. */
    static int tileRows(int bits) {
        return 4 * bits / Float.SIZE;
    }

    void run(Tensor out, Tensor x, PreparedWeight weight, Tensor bias, LoraRows lora) {
        int count = Math.toIntExact(x.shape().axis(0));
        int columns = weight.columns();
        boolean adapted = lora != null && adapters.any(lora, count);
        int most = Math.max(1, Math.min(ROWS, INPUT / columns));
        this.weight = weight;
        outStride = 4L * weight.rows();
        this.bias = bias == null || adapted ? 0 : Raw.address(bias);
        for (int row = 0; row < count; row += most) {
            rows = Math.min(most, count - row);
            if (input.length < rows * columns) {
                input = new float[Math.max(rows * columns, Math.min(INPUT, 2 * input.length))];
            }
            MemorySegment.copy(x.data(), Raw.F32, 4L * row * columns, input, 0, rows * columns);
            this.out = Raw.address(out) + row * outStride;
            workers.run(this, weight.tiles());
        }
        if (adapted) {
            adapters.run(out, x, weight, bias, lora);
        }
    }

    @Override
    public void run(int item, int thread) {
        int part = weight.partOf(item);
        Tiles tiles = weight.part(part);
        int tile = item - weight.firstTile(part);
        float[] sums = totals[thread];
        Arrays.fill(sums, 0, rows * tileRows, 0);
        switch (tiles) {
            case Tiles.FourBit four -> {
                if (rows == 1) {
                    int segments = four.columns() / four.segment();
                    fourBit.row(input, four.tile(tile), segments, four.segment(), four.table(), sums);
                } else {
                    multiply(four, tile, thread, sums);
                }
            }
            case Tiles.Packed packed -> multiply(packed, tile, thread, sums);
            case Tiles.Dense wide -> {
                if (rows == 1 && wide.dtype() == DType.BF16) {
                    dense.bf16Row(input, wide.tile(tile), wide.columns(), DENSE_SEGMENT, sums);
                } else {
                    multiply(wide, tile, thread, sums);
                }
            }
        }
        int first = weight.firstRow(part) + tile * tileRows;
        int valid = Math.min(tileRows, tiles.rows() - tile * tileRows);
        long biases = bias == 0 ? 0 : bias + 4L * first;
        for (int row = 0; row < rows; row++) {
            panels.store(sums, row * tileRows, valid, biases, out + row * outStride + 4L * first);
        }
    }

    private void multiply(Tiles.FourBit four, int tile, int thread, float[] sums) {
        int columns = four.columns();
        int segment = four.segment();
        long at = four.tile(tile);
        for (int k = 0; k < columns; k += depth) {
            int segments = Math.min(depth, columns - k) / segment;
            fourBit.panel(at, segments, segment, four.table(), panel[thread], scales[thread]);
            panels.multiply(input, k, columns, rows, panel[thread], 0, segments, segment, scales[thread], 0, sums, 0);
            at += (long) segments * four.segmentBytes();
        }
    }

    private void multiply(Tiles.Dense wide, int tile, int thread, float[] sums) {
        int columns = wide.columns();
        long at = wide.tile(tile);
        for (int k = 0; k < columns; k += depth) {
            int length = Math.min(depth, columns - k);
            switch (wide.dtype()) {
                case BF16 -> dense.bf16Panel(at, length, panel[thread]);
                case F16 -> dense.f16Panel(at, length, panel[thread]);
                case F32 -> MemorySegment.copy(Raw.ALL, Raw.F32, at, panel[thread], 0, length * tileRows);
                case I64, I32, U8 -> throw new IllegalStateException("tiles of " + wide.dtype());
            }
            multiplyUnscaled(k, columns, length, thread, sums);
            at += Tiles.Dense.tileBytes(wide.dtype(), length, tileRows);
        }
    }

    private void multiply(Tiles.Packed packed, int tile, int thread, float[] sums) {
        int columns = packed.columns();
        int valid = Math.min(tileRows, packed.rows() - tile * tileRows);
        float[] values = panel[thread];
        for (int k = 0; k < columns; k += depth) {
            int length = Math.min(depth, columns - k);
            Arrays.fill(values, 0, length * tileRows, 0);
            for (int lane = 0; lane < valid; lane++) {
                for (int i = 0; i < length; i++) {
                    values[i * tileRows + lane] = packed.element(tile * tileRows + lane, k + i);
                }
            }
            multiplyUnscaled(k, columns, length, thread, sums);
        }
    }

    private void multiplyUnscaled(int k, int columns, int length, int thread, float[] sums) {
        int segments = length / DENSE_SEGMENT;
        int done = segments * DENSE_SEGMENT;
        if (segments > 0) {
            panels.multiply(input, k, columns, rows, panel[thread], 0, segments, DENSE_SEGMENT, ones, 0, sums, 0);
        }
        if (done < length) {
            int rest = length - done;
            panels.multiply(input, k + done, columns, rows, panel[thread], done * tileRows, 1, rest, ones, 0, sums, 0);
        }
    }
}
