package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.Stream;

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
    /** Floats of a panel, 16 KiB: half of a small first-level cache. A panel of all k, in the second level, is 9 % slower. */
    private static final int PANEL = 4_096;

    /** Floats that keep what two threads write in different cache lines: sharing one costs half of the speed. */
    private static final int APART = 64;

    /** Groups of rows that are packed before another thread could have begun. */
    private static final int PACKED_ALONE = 4;

    /** Floats of x taken at a time. */
    private static final int INPUT = 1 << 20;

    private final Workers workers;
    private final FourBitLanes fourBit;
    private final FourBitGroupLanes fourBitGroups;
    private final DenseLanes dense;
    private final DenseGroupLanes denseGroups;
    private final FewRows fewRows;
    private final Scratch scratch;
    private final PanelLanes panels;
    private final int tileRows;
    /** Length of k that a panel covers. */
    private final int depth;

    private final Floats ones;
    private final Floats[] panel;
    private final Floats[] scales;
    private final float[][] blocks;
    private final Floats[] totals;
    private final PanelProduct[] products;
    private final Adapters adapters;
    private final Workers.Job packJob = this::pack;

    private Floats input = Floats.of(0);
    private PreparedWeight weight;
    private int rows;
    /** Whether groups go without a panel. */
    private boolean few;
    /** Rows of a group. */
    private int size;

    /** How groups are packed. */
    private boolean octets;

    private int groups;
    private long from;
    private long out;
    private long outStride;
    private long bias;

    Linear(Workers workers, Kernels kernels, Adapters adapters, Scratch scratch, Upcoming upcoming) {
        this.workers = workers;
        this.adapters = adapters;
        this.scratch = scratch;
        fewRows = new FewRows(workers, kernels.fewRows(), kernels.rows(), tileRows(kernels.bits()), scratch, upcoming);
        fourBit = kernels.fourBit();
        fourBitGroups = kernels.fourBitGroups();
        denseGroups = kernels.denseGroups();
        dense = kernels.dense();
        panels = kernels.panels();
        tileRows = tileRows(kernels.bits());
        depth = PANEL / tileRows / DENSE_SEGMENT * DENSE_SEGMENT;
        ones = Floats.of(depth / 8 * tileRows);
        Arrays.fill(ones.values(), 1);
        int threads = workers.threads();
        // an odd number of columns leaves one k more in a panel of pairs
        panel = floats(threads, (depth + 1) * tileRows);
        scales = floats(threads, depth / 8 * tileRows);
        blocks = new float[threads][tileRows + APART];
        totals = floats(threads, (ROWS + PanelLanes.LARGEST_GROUP) * tileRows);
        products = new PanelProduct[threads];
        Arrays.setAll(products, thread -> {
            PanelProduct product = new PanelProduct();
            product.panel = panel[thread];
            product.totals = totals[thread];
            return product;
        });
    }

    static Floats[] floats(int threads, int length) {
        return Stream.generate(() -> Floats.of(length + APART)).limit(threads).toArray(Floats[]::new);
    }

    /** Four vectors of rows. */
    static int tileRows(int bits) {
        return 4 * bits / Float.SIZE;
    }

    void run(Tensor out, Tensor x, PreparedWeight weight, Tensor bias, LoraRows lora) {
        int count = Math.toIntExact(x.shape().axis(0));
        boolean adapted = lora != null && adapters.any(lora, count);
        this.weight = weight;
        outStride = 4L * weight.rows();
        this.bias = bias == null || adapted ? 0 : Raw.address(bias);
        if (fewRows.takes(weight, count)) {
            fewRows.run(out, x, weight, this.bias);
        } else {
            run(out, x, count);
        }
        if (adapted) {
            adapters.run(out, x, weight, bias, lora);
        }
    }

    private void run(Tensor out, Tensor x, int count) {
        int columns = weight.columns();
        int most = Math.max(1, Math.min(ROWS, INPUT / columns));
        for (int row = 0; row < count; row += most) {
            rows = Math.min(most, count - row);
            few = few(RowGroups.count(rows, FourBitGroupLanes.GROUP));
            size = few ? FourBitGroupLanes.GROUP : panels.group();
            octets = !few && panels.octets(columns);
            groups = RowGroups.count(rows, size);
            if (input.values().length < groups * size * columns) {
                input = Floats.of(groups * size * columns);
            }
            from = Raw.address(x) + 4L * row * columns;
            if (rows == 1 && direct(weight)) {
                MemorySegment.copy(Raw.ALL, Raw.F32, from, input.values(), 0, columns);
            } else {
                pack();
            }
            this.out = Raw.address(out) + row * outStride;
            workers.run(this, weight.tiles());
        }
    }

    private void pack() {
        if (groups > PACKED_ALONE) {
            workers.run(packJob, groups);
            return;
        }
        for (int group = 0; group < groups; group++) {
            pack(group, 0);
        }
    }

    /** Whether every part has a kernel for one row; otherwise one row goes the way of many. */
    private static boolean direct(PreparedWeight weight) {
        for (int part = 0; part < weight.parts(); part++) {
            boolean fused = switch (weight.part(part)) {
                case Tiles.FourBit four -> true;
                case Tiles.Packed packed -> false;
                case Tiles.Dense dense -> dense.dtype() == DType.BF16;
                case Tiles.Compressed compressed -> false;
            };
            if (!fused) {
                return false;
            }
        }
        return true;
    }

    /** Whether every part has a kernel for so few groups. */
    private boolean few(int groups) {
        for (int part = 0; part < weight.parts(); part++) {
            int most = switch (weight.part(part)) {
                case Tiles.FourBit four -> fourBitGroups.most();
                case Tiles.Packed packed -> 0;
                case Tiles.Dense wide ->
                    wide.dtype() == DType.BF16 && wide.columns() % DENSE_SEGMENT == 0 ? denseGroups.most() : 0;
                case Tiles.Compressed compressed -> 0;
            };
            if (groups > most) {
                return false;
            }
        }
        return true;
    }

    private void pack(int group, int thread) {
        int columns = weight.columns();
        long first = from + 4L * group * size * columns;
        int valid = Math.min(size, rows - group * size);
        int to = group * size * columns;
        if (octets) {
            RowGroups.packOctets(input.values(), to, size, first, 4L * columns, valid, columns, columns);
        } else {
            RowGroups.pack(input.values(), to, size, first, 4L * columns, valid, columns);
        }
    }

    @Override
    public void run(int item, int thread) {
        int part = weight.partOf(item);
        Tiles tiles = weight.part(part);
        int tile = item - weight.firstTile(part);
        Floats totals = this.totals[thread];
        float[] sums = totals.values();
        boolean one = rows == 1 && direct(weight);
        int first = weight.firstRow(part) + tile * tileRows;
        int valid = Math.min(tileRows, tiles.rows() - tile * tileRows);
        long to = out + 4L * first;
        boolean finished = !one && !few && bias == 0 && valid == tileRows;
        long target = finished ? to : 0;
        Arrays.fill(sums, 0, (one ? 1 : groups * size) * tileRows, 0);
        switch (tiles) {
            case Tiles.FourBit four -> {
                if (one) {
                    int segments = four.columns() / four.segment();
                    fourBit.row(input, four.tile(tile), segments, four.segment(), four.table(), blocks[thread], totals);
                } else {
                    multiply(four, tile, thread, target);
                }
            }
            case Tiles.Packed packed -> multiply(packed, tile, thread, target);
            case Tiles.Compressed compressed -> multiply(compressed, tile, thread, target);
            case Tiles.Dense wide -> {
                if (one) {
                    dense.bf16Row(input.values(), wide.tile(tile), wide.columns(), DENSE_SEGMENT, sums);
                } else {
                    multiply(wide, tile, thread, target);
                }
            }
        }
        if (finished) {
            return;
        }
        long biases = bias == 0 ? 0 : bias + 4L * first;
        for (int row = 0; row < rows; row++) {
            panels.store(sums, row * tileRows, valid, biases, to + row * outStride);
        }
    }

    // target: where the first row's totals go after the last k, or 0 if they stay

    private void multiply(Tiles.FourBit four, int tile, int thread, long target) {
        int columns = four.columns();
        int segment = four.segment();
        long at = four.tile(tile);
        if (few) {
            fourBitGroups.groups(input, columns, groups, at, columns / segment, segment, four.table(), totals[thread]);
            return;
        }
        for (int k = 0; k < columns; k += depth) {
            int segments = Math.min(depth, columns - k) / segment;
            fourBit.panel(at, segments, segment, four.table(), panel[thread], scales[thread]);
            multiply(k, columns, 0, segments, segment, scales[thread], thread, target);
            at += (long) segments * four.segmentBytes();
        }
    }

    private void multiply(Tiles.Dense wide, int tile, int thread, long target) {
        int columns = wide.columns();
        long at = wide.tile(tile);
        if (few) {
            denseGroups.bf16Groups(input, columns, groups, at, DENSE_SEGMENT, totals[thread]);
            return;
        }
        for (int k = 0; k < columns; k += depth) {
            int length = Math.min(depth, columns - k);
            switch (wide.dtype()) {
                case BF16 -> dense.bf16Panel(at, length, panel[thread].values());
                case F16 -> dense.f16Panel(at, length, panel[thread].values());
                case F32 -> MemorySegment.copy(Raw.ALL, Raw.F32, at, panel[thread].values(), 0, length * tileRows);
                case I64, I32, U8 -> throw new IllegalStateException("tiles of " + wide.dtype());
            }
            multiplyUnscaled(k, columns, length, thread, target);
            at += Tiles.Dense.tileBytes(wide.dtype(), length, tileRows);
        }
    }

    private void multiply(Tiles.Compressed compressed, int tile, int thread, long target) {
        int columns = compressed.columns();
        int segments = depth / DENSE_SEGMENT;
        long unpacked = scratch.of(thread, segments * Unpack.SEGMENT_BYTES);
        for (int k = 0; k < columns; k += depth) {
            int length = Math.min(depth, columns - k);
            Unpack.segments(compressed, tile, k / DENSE_SEGMENT, length / DENSE_SEGMENT, unpacked);
            dense.bf16Panel(unpacked, length, panel[thread].values());
            multiplyUnscaled(k, columns, length, thread, target);
        }
    }

    private void multiply(Tiles.Packed packed, int tile, int thread, long target) {
        int columns = packed.columns();
        int valid = Math.min(tileRows, packed.rows() - tile * tileRows);
        float[] values = panel[thread].values();
        for (int k = 0; k < columns; k += depth) {
            int length = Math.min(depth, columns - k);
            Arrays.fill(values, 0, length * tileRows, 0);
            for (int lane = 0; lane < valid; lane++) {
                for (int i = 0; i < length; i++) {
                    values[i * tileRows + lane] = packed.element(tile * tileRows + lane, k + i);
                }
            }
            multiplyUnscaled(k, columns, length, thread, target);
        }
    }

    private void multiplyUnscaled(int k, int columns, int length, int thread, long target) {
        int segments = length / DENSE_SEGMENT;
        int done = segments * DENSE_SEGMENT;
        if (segments > 0) {
            multiply(k, columns, 0, segments, DENSE_SEGMENT, ones, thread, target);
        }
        if (done < length) {
            multiply(k + done, columns, done * tileRows, 1, length - done, ones, thread, target);
        }
    }

    private void multiply(
            int k, int columns, int po, int segments, int segment, Floats factors, int thread, long target) {
        PanelProduct product = products[thread];
        product.x = input;
        product.xFrom = k * size;
        product.stride = columns * size;
        product.octets = octets;
        product.panelFrom = po;
        product.segments = segments;
        product.segment = segment;
        product.scales = factors;
        if (target != 0 && k + segments * segment == columns) {
            panels.finish(product, rows, target, outStride);
        } else {
            panels.multiply(product, groups);
        }
    }
}
