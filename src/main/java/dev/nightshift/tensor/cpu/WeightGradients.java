package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.Tensor;
import java.util.Arrays;

/**
 * {@code dX = dY W} through a frozen weight. A slice of dY's columns, which are W's rows, is packed for all threads; then each
 * item owns as many columns of W as a panel is wide: it brings some rows of W at a time into a panel in the first-level cache,
 * turned to lie along the columns, and multiplies all rows of dY with it. The chain of an element is the same whatever the
 * slices, the threads and the number of rows.
 */
final class WeightGradients {
    /** Floats of a panel, as in {@link Linear}. */
    private static final int PANEL = 4_096;
    /** Rows of W that are summed before they are added to dX. */
    private static final int DEPTH = 512;
    /** Floats of a slice of dY, 512 KiB: a small second-level cache; half of it made the head a third slower. */
    private static final int SLICE = 1 << 17;
    /** Rows of dY taken at a time. */
    private static final int ROWS = 512;

    private final Workers workers;
    private final TurnedPanels turned;
    private final PanelLanes panels;
    private final int width;
    /** Rows of a group. */
    private final int size;

    private final boolean octets;

    private final Floats[] panel;
    private final Floats[] totals;
    private final PanelProduct[] products;
    private final Workers.Job packJob = this::pack;
    private final Workers.Job stripeJob = this::stripe;

    private Floats slice = Floats.of(0);
    private PreparedWeight weight;
    private long dxs;
    private long dys;
    private int rows;
    private int groups;
    private boolean accumulate;
    /** Tiles of the slice. */
    private int firstTile;

    private int lastTile;

    WeightGradients(Workers workers, Kernels kernels, Scratch scratch) {
        this.workers = workers;
        width = Linear.tileRows(kernels.bits());
        turned = new TurnedPanels(workers.threads(), kernels, scratch);
        panels = kernels.panels();
        size = panels.group();
        octets = panels.octets(width);
        panel = Linear.floats(workers.threads(), PANEL);
        totals = Linear.floats(workers.threads(), (ROWS + PanelLanes.LARGEST_GROUP) * width);
        Floats ones = Floats.of(width);
        Arrays.fill(ones.values(), 1);
        products = new PanelProduct[workers.threads()];
        Arrays.setAll(products, thread -> {
            PanelProduct product = new PanelProduct();
            product.octets = octets;
            product.panel = panel[thread];
            product.segments = 1;
            product.scales = ones;
            product.totals = totals[thread];
            return product;
        });
    }

    void run(Tensor dx, Tensor dy, PreparedWeight weight, boolean accumulate) {
        this.weight = weight;
        this.accumulate = accumulate;
        int count = Math.toIntExact(dy.shape().axis(0));
        for (int row = 0; row < count; row += ROWS) {
            rows = Math.min(ROWS, count - row);
            groups = RowGroups.count(rows, size);
            dxs = Raw.address(dx) + 4L * row * weight.columns();
            dys = Raw.address(dy) + 4L * row * weight.rows();
            slices();
        }
    }

    private void slices() {
        int padded = groups * size;
        int tiles = Math.clamp(SLICE / padded / DEPTH, 1, 8) * DEPTH / width;
        if (slice.values().length < padded * tiles * width) {
            slice = Floats.of(padded * tiles * width);
        }
        for (firstTile = 0; firstTile < weight.tiles(); firstTile = lastTile) {
            lastTile = Math.min(firstTile + tiles, weight.tiles());
            workers.run(packJob, groups);
            workers.run(stripeJob, (weight.columns() + width - 1) / width);
        }
    }

    /** A group of dY's rows side by side, its columns by tile; zeros where a tile or the group has rows to spare. */
    private void pack(int group, int thread) {
        float[] slice = this.slice.values();
        int at = group * size * (lastTile - firstTile) * width;
        int valid = Math.min(size, rows - group * size);
        long stride = 4L * weight.rows();
        for (int tile = firstTile; tile < lastTile; tile++) {
            int part = weight.partOf(tile);
            int first = (tile - weight.firstTile(part)) * width;
            int count = Math.min(width, weight.part(part).rows() - first);
            long from = dys + group * size * stride + 4L * (weight.firstRow(part) + first);
            if (octets) {
                RowGroups.packOctets(slice, at, size, from, stride, valid, count, width);
            } else {
                RowGroups.pack(slice, at, size, from, stride, valid, count);
                Arrays.fill(slice, at + size * count, at + size * width, 0);
            }
            at += size * width;
        }
    }

    /** As many columns of dX as a panel is wide, from one slice. */
    private void stripe(int item, int thread) {
        int from = item * width;
        int valid = Math.min(width, weight.columns() - from);
        int perPanel = PANEL / width / width;
        int perSum = DEPTH / width;
        PanelProduct product = products[thread];
        product.x = slice;
        product.stride = (lastTile - firstTile) * width * size;
        for (int begin = firstTile; begin < lastTile; begin += perSum) {
            int end = Math.min(begin + perSum, lastTile);
            Arrays.fill(totals[thread].values(), 0, groups * size * width, 0);
            for (int tile = begin; tile < end; tile += perPanel) {
                int last = Math.min(tile + perPanel, end);
                for (int t = tile; t < last; t++) {
                    int part = weight.partOf(t);
                    int own = t - weight.firstTile(part);
                    turned.fill(
                            weight.part(part),
                            own,
                            from,
                            valid,
                            panel[thread].values(),
                            (t - tile) * width * width,
                            thread);
                }
                product.xFrom = (tile - firstTile) * width * size;
                product.segment = (last - tile) * width;
                panels.multiply(product, groups);
            }
            store(totals[thread].values(), from, valid, begin == 0 && !accumulate);
        }
    }

    private void store(float[] sums, int from, int valid, boolean fresh) {
        for (int row = 0; row < rows; row++) {
            long to = dxs + 4L * ((long) row * weight.columns() + from);
            panels.store(sums, row * width, valid, fresh ? 0 : to, to);
        }
    }
}
