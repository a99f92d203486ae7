package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.Tensor;

/**
 * {@code y = x W^T} of a few rows and a 4-bit weight. Threads claim stretches of tiles, since every call of a kernel writes the input
 * out once more ({@link FewRowsAssembly}).
 */
final class FewRows implements Workers.Job {
    /** Up to twice as many rows as a kernel takes, in two passes over a stretch; a panel is faster for more. */
    private static final int PASSES = 2;

    /**
     * Tiles of a thread up to which it gets them in one piece: what a further call costs is more than what a busy machine lets one
     * thread wait for another.
     */
    private static final int ONE_PIECE = 16;

    /** Tiles of an item where there are more. */
    private static final int UNIT = 5;

    /** Tiles of one call at most, whose totals share the first-level cache with the input. */
    private static final int MOST = 32;

    /** Segments of all tiles of one call: half a millisecond, in which no garbage collector may begin. */
    private static final int LONGEST = 1_024;

    private final Workers workers;
    private final FewRowsLanes lanes;
    private final int tileRows;
    private final Scratch scratch;

    private PreparedWeight weight;
    private int rows;
    private long x;
    private long out;
    private long bias;
    /** Tiles of an item. */
    private int unit;
    /** Tiles of one call at most. */
    private int most;

    FewRows(Workers workers, FewRowsLanes lanes, int tileRows, Scratch scratch) {
        this.workers = workers;
        this.lanes = lanes;
        this.tileRows = tileRows;
        this.scratch = scratch;
    }

    /** Whether this is the fastest way for so many rows. */
    boolean takes(PreparedWeight weight, int rows) {
        if (rows > PASSES * lanes.most()) {
            return false;
        }
        for (int part = 0; part < weight.parts(); part++) {
            if (!(weight.part(part) instanceof Tiles.FourBit)) {
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
        int tiles = weight.tiles();
        int each = (tiles + workers.threads() - 1) / workers.threads();
        unit = each <= ONE_PIECE ? each : UNIT;
        most = Math.clamp((long) LONGEST * Linear.DENSE_SEGMENT / weight.columns(), 1, MOST);
        workers.run(this, (tiles + unit - 1) / unit);
    }

    @Override
    public void run(int item, int thread) {
        run(item, item + 1, thread);
    }

    @Override
    public void run(int from, int to, int thread) {
        int end = Math.min(to * unit, weight.tiles());
        for (int tile = from * unit; tile < end; ) {
            int part = weight.partOf(tile);
            int first = weight.firstTile(part);
            Tiles.FourBit tiles = (Tiles.FourBit) weight.part(part);
            int whole = first + tiles.rows() / tileRows;
            int next = tile < whole ? Math.min(Math.min(tile + most, end), whole) : tile + 1;
            multiply(tiles, tile - first, next - tile, weight.firstRow(part) + (tile - first) * tileRows, thread);
            tile = next;
        }
    }

    /** Tiles all of whose rows exist, or a single one. */
    private void multiply(Tiles.FourBit tiles, int tile, int count, int column, int thread) {
        int valid = Math.min(count * tileRows, tiles.rows() - tile * tileRows);
        long own = scratch.of(thread, lanes.scratchBytes(most) + (long) Float.BYTES * lanes.most() * tileRows);
        boolean whole = valid == count * tileRows;
        long xRow = 4L * weight.columns();
        long outRow = 4L * weight.rows();
        int passes = (rows + lanes.most() - 1) / lanes.most();
        for (int pass = 0; pass < passes; pass++) {
            int row = rows * pass / passes;
            int some = rows * (pass + 1) / passes - row;
            long at = out + row * outRow + 4L * column;
            if (whole) {
                lanes.multiply(x + row * xRow, xRow, some, tiles, tile, count, at, outRow, own);
            } else {
                long end = own + lanes.scratchBytes(most);
                long endRow = 4L * tileRows;
                lanes.multiply(x + row * xRow, xRow, some, tiles, tile, count, end, endRow, own);
                for (int i = 0; i < some; i++) {
                    Raw.copy(end + i * endRow, at + i * outRow, 4L * valid);
                }
            }
        }
        if (bias != 0) {
            addBias(column, valid);
        }
    }

    private void addBias(int column, int count) {
        for (int row = 0; row < rows; row++) {
            long at = out + 4L * ((long) row * weight.rows() + column);
            for (int i = 0; i < count; i++) {
                Raw.f32(at + 4L * i, Raw.f32(at + 4L * i) + Raw.f32(bias + 4L * (column + i)));
            }
        }
    }
}
