package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.Tensor;
import java.util.Arrays;

/**
 * The adapters' share of a linear, after {@code W x} stands in the output. All rows of a slot, wherever they lie in the batch, form
 * one segment and share the reading and conversion of its factors; rows without adapter are in none. First all {@code A x}, then
 * per tile of outputs the rest.
 */
final class Adapters {
    private static final DType[] DTYPES = DType.values();
    /** Shares that the ranks of one part are cut into. */
    private static final int RANK_SHARES = 8;

    private final Workers workers;
    private final RowLanes lanes;
    private final int tileRows;
    private final float[][] partials;
    private float[][] factor;
    /** Rows with an adapter, those of a slot side by side, slots and rows ascending. */
    private int[] order = new int[64];
    /** Where in {@link #order} each segment starts, and where the last one ends. */
    private int[] starts = new int[65];
    /** Where the next row of a slot goes. */
    private int[] next = new int[16];

    private int segments;
    /** Rows without adapter, for the bias. */
    private int[] bare = new int[64];

    private int bareCount;

    private final Workers.Job down = this::down;
    private final Workers.Job up = this::up;
    private final Workers.Job addBias = this::addBias;

    private PreparedWeight weight;
    private long entries;
    private int slots;
    private int targets;
    private int firstTarget;
    private int rankMax;
    private long arena;
    private long rowSlots;
    private long scratch;
    private long x;
    private long out;
    private long bias;

    Adapters(Workers workers, RowLanes lanes, int tileRows) {
        this.workers = workers;
        this.lanes = lanes;
        this.tileRows = tileRows;
        partials = new float[workers.threads()][RowLanes.PARTIALS];
        factor = new float[workers.threads()][0];
    }

    /** Whether a row of the call has an adapter. */
    boolean any(LoraRows lora, int rows) {
        long address = Raw.address(lora.rowSlots());
        for (int row = 0; row < rows; row++) {
            if (Raw.i32(address + 4L * row) >= 0) {
                return true;
            }
        }
        return false;
    }

    void run(Tensor out, Tensor x, PreparedWeight weight, Tensor bias, LoraRows lora) {
        bind(lora);
        this.weight = weight;
        this.x = Raw.address(x);
        this.out = Raw.address(out);
        this.bias = bias == null ? 0 : Raw.address(bias);
        if (factor[0].length < rankMax * tileRows) {
            factor = new float[workers.threads()][rankMax * tileRows];
        }
        group(Math.toIntExact(x.shape().axis(0)));
        workers.run(down, segments * weight.parts() * RANK_SHARES);
        workers.run(up, segments * weight.tiles());
        if (this.bias != 0) {
            workers.run(addBias, bareCount);
        }
    }

    /** Distinct adapters of the last call. */
    int segments() {
        return segments;
    }

    private void bind(LoraRows lora) {
        LoraTable table = lora.table();
        slots = Math.toIntExact(table.entries().shape().axis(0));
        targets = Math.toIntExact(table.entries().shape().axis(1));
        entries = Raw.address(table.entries());
        arena = Raw.address(table.arena());
        rankMax = table.rankMax();
        firstTarget = lora.firstTarget();
        rowSlots = Raw.address(lora.rowSlots());
        scratch = lora.scratch() == null ? 0 : Raw.address(lora.scratch());
    }

    /** Sorts rows by slot, by counting. */
    private void group(int rows) {
        if (order.length < rows) {
            order = new int[rows];
            starts = new int[rows + 1];
            bare = new int[rows];
        }
        if (next.length < slots) {
            next = new int[slots];
        }
        Arrays.fill(next, 0, slots, 0);
        bareCount = 0;
        for (int row = 0; row < rows; row++) {
            int slot = slot(row);
            if (slot < 0) {
                bare[bareCount++] = row;
            } else {
                next[slot]++;
            }
        }
        segments = 0;
        int at = 0;
        for (int slot = 0; slot < slots; slot++) {
            if (next[slot] > 0) {
                starts[segments++] = at;
                at += next[slot];
                next[slot] = at - next[slot];
            }
        }
        starts[segments] = at;
        for (int row = 0; row < rows; row++) {
            int slot = slot(row);
            if (slot >= 0) {
                order[next[slot]++] = row;
            }
        }
    }

    private void addBias(int item, int thread) {
        lanes.add(out + 4L * weight.rows() * bare[item], bias, weight.rows());
    }

    private int slot(int row) {
        int slot = Raw.i32(rowSlots + 4L * row);
        if (slot >= slots) {
            throw new IllegalStateException("row %d has adapter slot %d of %d".formatted(row, slot, slots));
        }
        return slot;
    }

    private long entry(int slot, int part) {
        return entries + 8L * LoraTable.FIELDS * ((long) slot * targets + firstTarget + part);
    }

    private static long field(long entry, int field) {
        return Raw.i64(entry + 8L * field);
    }

    private int rank(long entry) {
        int rank = (int) field(entry, LoraTable.RANK);
        if (rank > rankMax) {
            throw new IllegalStateException("adapter of rank %d, the largest is %d".formatted(rank, rankMax));
        }
        return rank;
    }

    private long low(int row, int part) {
        return scratch + 4L * rankMax * ((long) row * weight.parts() + part);
    }

    private void down(int item, int thread) {
        int share = item % RANK_SHARES;
        int part = item / RANK_SHARES % weight.parts();
        int segment = item / RANK_SHARES / weight.parts();
        long entry = entry(slot(order[starts[segment]]), part);
        if (field(entry, LoraTable.REPLACEMENT_OFFSET) >= 0) {
            return;
        }
        DType dtype = DTYPES[(int) field(entry, LoraTable.FACTOR_DTYPE)];
        long a = arena + field(entry, LoraTable.A_OFFSET);
        int columns = weight.columns();
        int rank = rank(entry);
        for (int j = share; j < rank; j += RANK_SHARES) {
            long factor = a + (long) j * columns * dtype.bytes();
            for (int i = starts[segment]; i < starts[segment + 1]; i++) {
                int row = order[i];
                float t = lanes.dot(dtype, x + 4L * row * columns, factor, columns, partials[thread]);
                Raw.f32(low(row, part) + 4L * j, t);
            }
        }
    }

    private void up(int item, int thread) {
        int segment = item / weight.tiles();
        int tile = item % weight.tiles();
        int part = weight.partOf(tile);
        tile -= weight.firstTile(part);
        int first = tile * tileRows;
        int count = Math.min(tileRows, weight.part(part).rows() - first);
        int output = weight.firstRow(part) + first;
        long biases = bias == 0 ? 0 : bias + 4L * output;
        long entry = entry(slot(order[starts[segment]]), part);
        boolean replaced = field(entry, LoraTable.REPLACEMENT_OFFSET) >= 0;
        if (!replaced) {
            gather(entry, first, count, factor[thread]);
        }
        for (int i = starts[segment]; i < starts[segment + 1]; i++) {
            int row = order[i];
            long y = out + 4L * ((long) row * weight.rows() + output);
            if (!replaced) {
                lowRank(entry, y, row, part, first, count, biases, factor[thread]);
                continue;
            }
            replace(entry, y, row, first, count, thread);
            if (biases != 0) {
                lanes.add(y, biases, count);
            }
        }
    }

    private void lowRank(long entry, long y, int row, int part, int first, int count, long biases, float[] b) {
        long offset = field(entry, LoraTable.GAIN_OFFSET);
        long gain = offset < 0 ? 0 : arena + offset + 4L * first;
        int rank = rank(entry);
        if (rank == 0) {
            if (biases != 0) {
                lanes.add(y, biases, count);
            }
            return;
        }
        float scale = Float.intBitsToFloat((int) field(entry, LoraTable.SCALE));
        lanes.lowRank(y, low(row, part), rank, b, tileRows, scale, gain, biases, count);
    }

    /** B's rows of a tile, transposed: b [rank][tileRows]. */
    private void gather(long entry, int first, int count, float[] b) {
        int rank = rank(entry);
        long from = arena + field(entry, LoraTable.B_OFFSET);
        DType dtype = DTYPES[(int) field(entry, LoraTable.FACTOR_DTYPE)];
        for (int i = 0; i < count; i++) {
            long row = (long) (first + i) * rank;
            if (dtype == DType.BF16) {
                for (int j = 0; j < rank; j++) {
                    b[j * tileRows + i] = Float.intBitsToFloat(Raw.i16(from + 2 * (row + j)) << 16);
                }
            } else {
                for (int j = 0; j < rank; j++) {
                    b[j * tileRows + i] = Raw.element(dtype, from, row + j);
                }
            }
        }
    }

    private void replace(long entry, long y, int row, int first, int count, int thread) {
        DType dtype = DTYPES[(int) field(entry, LoraTable.REPLACEMENT_DTYPE)];
        int columns = weight.columns();
        long from = arena + field(entry, LoraTable.REPLACEMENT_OFFSET);
        for (int i = 0; i < count; i++) {
            long values = from + (long) (first + i) * columns * dtype.bytes();
            float value = lanes.dot(dtype, x + 4L * row * columns, values, columns, partials[thread]);
            Raw.f32(y + 4L * i, value);
        }
    }

    /** Address of the weight that replaces target {@code lora.firstTarget()} for a row, or 0. */
    static long replacement(LoraRows lora, int row) {
        long entry = firstEntry(lora, row);
        long offset = entry == 0 ? -1 : field(entry, LoraTable.REPLACEMENT_OFFSET);
        return offset < 0 ? 0 : Raw.address(lora.table().arena()) + offset;
    }

    /** Type of that weight. */
    static DType replacementType(LoraRows lora, int row) {
        return DTYPES[(int) field(firstEntry(lora, row), LoraTable.REPLACEMENT_DTYPE)];
    }

    private static long firstEntry(LoraRows lora, int row) {
        int slot = Raw.i32(Raw.address(lora.rowSlots()) + 4L * row);
        Tensor entries = lora.table().entries();
        if (slot >= entries.shape().axis(0)) {
            throw new IllegalStateException("row %d has adapter slot %d of %d"
                    .formatted(row, slot, entries.shape().axis(0)));
        }
        long index = (long) slot * entries.shape().axis(1) + lora.firstTarget();
        return slot < 0 ? 0 : Raw.address(entries) + 8L * LoraTable.FIELDS * index;
    }
}
