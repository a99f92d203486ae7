package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.Tensor;
import java.util.Arrays;

/**
 * {@code y = x W^T} of a few rows. Threads claim stretches of the weight's units, since a kernel first writes the input out as it wants
 * it ({@link FewRowsAssembly}, {@link WideFewRowsAssembly}).
 */
final class FewRows implements Workers.Job {
    /** Ints that keep what two threads write in different cache lines. */
    private static final int APART = 16;

    /** Units of one call at most, whose totals may share the first-level cache with the input. */
    private static final int MOST = 32;

    /** Segments of all units of one call: half a millisecond, in which no garbage collector may begin. */
    private static final int LONGEST = 1_024;

    private final Workers workers;
    private final FewRowsLanes lanes;
    private final RowLanes rowLanes;
    private final int unitRows;
    /** Units of a tile. */
    private final int perTile;

    private final Scratch scratch;
    private final FewRowsProduct[] products;

    private PreparedWeight weight;
    private int rows;
    /** Counts calls. */
    private int number;
    /** The call in which each thread last had its kernel write x out, {@link #APART} apart. */
    private final int[] written;

    private long x;
    private long out;
    private long bias;
    /** Units of an item. */
    private int each;
    /** Units of one call at most. */
    private int most;

    FewRows(Workers workers, FewRowsLanes lanes, RowLanes rowLanes, int tileRows, Scratch scratch, Upcoming upcoming) {
        this.workers = workers;
        this.lanes = lanes;
        this.rowLanes = rowLanes;
        this.scratch = scratch;
        products = new FewRowsProduct[workers.threads()];
        Arrays.setAll(products, thread -> {
            FewRowsProduct product = new FewRowsProduct();
            product.upcoming = upcoming;
            product.thread = thread;
            return product;
        });
        written = new int[APART * workers.threads()];
        unitRows = lanes.most() == 0 ? tileRows : lanes.unitRows();
        perTile = tileRows / unitRows;
    }

    /** Whether this is the fastest way for so many rows. */
    boolean takes(PreparedWeight weight, int rows) {
        if (rows > lanes.passes() * lanes.most()) {
            return false;
        }
        for (int part = 0; part < weight.parts(); part++) {
            if (!lanes.takes(weight.part(part), rows)) {
                return false;
            }
        }
        return true;
    }

    /** @param bias address of [weight rows] F32, or 0 */
    void run(Tensor out, Tensor x, PreparedWeight weight, long bias) {
        this.weight = weight;
        this.bias = bias;
        this.x = Raw.address(x);
        this.out = Raw.address(out);
        rows = Math.toIntExact(x.shape().axis(0));
        number++;
        int units = weight.tiles() * perTile;
        int share = (units + workers.threads() - 1) / workers.threads();
        each = lanes.item(share);
        most = Math.clamp((long) LONGEST * Linear.DENSE_SEGMENT / weight.columns(), 1, MOST);
        workers.run(this, (units + each - 1) / each);
    }

    @Override
    public void run(int item, int thread) {
        run(item, item + 1, thread);
    }

    @Override
    public void run(int from, int to, int thread) {
        int end = Math.min(to * each, weight.tiles() * perTile);
        for (int unit = from * each; unit < end; ) {
            int part = weight.partOf(unit / perTile);
            Tiles tiles = weight.part(part);
            int first = weight.firstTile(part) * perTile;
            int whole = first + tiles.rows() / unitRows;
            int next = unit < whole ? Math.min(Math.min(unit + most, end), whole) : unit + 1;
            int row = (unit - first) * unitRows;
            if (row < tiles.rows()) {
                multiply(tiles, unit - first, next - unit, weight.firstRow(part) + row, thread);
            }
            unit = next;
        }
    }

    /** Units all of whose rows exist, or a single one. */
    private void multiply(Tiles tiles, int unit, int count, int column, int thread) {
        int valid = Math.min(count * unitRows, tiles.rows() - unit * unitRows);
        long bytes = lanes.scratchBytes(weight.columns(), most);
        long own = scratch.of(thread, bytes + (long) Float.BYTES * lanes.most() * unitRows);
        boolean whole = valid == count * unitRows;
        long outRow = 4L * weight.rows();
        FewRowsProduct product = products[thread];
        product.xRow = 4L * weight.columns();
        product.tiles = tiles;
        product.unit = unit;
        product.count = count;
        product.outRow = whole ? outRow : 4L * unitRows;
        product.scratch = own;
        int passes = (rows + lanes.most() - 1) / lanes.most();
        product.again = passes == 1 && written[APART * thread] == number;
        written[APART * thread] = number;
        for (int pass = 0; pass < passes; pass++) {
            int row = rows * pass / passes;
            product.x = x + row * product.xRow;
            product.rows = rows * (pass + 1) / passes - row;
            long at = out + row * outRow + 4L * column;
            product.out = whole ? at : own + bytes;
            lanes.multiply(product);
            for (int i = 0; !whole && i < product.rows; i++) {
                Raw.copy(product.out + i * product.outRow, at + i * outRow, 4L * valid);
            }
        }
        if (bias != 0) {
            addBias(column, valid);
        }
    }

    private void addBias(int column, int count) {
        for (int row = 0; row < rows; row++) {
            rowLanes.add(out + 4L * ((long) row * weight.rows() + column), bias + 4L * column, count);
        }
    }
}
