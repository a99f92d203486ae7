package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOps.Dropout;
import dev.nightshift.tensor.TrainingOps.LoraFactors;
import jdk.incubator.vector.FloatVector;

/** Forward and backward of trainable factors, cut by rows or by output columns so that every sum has one owner. */
final class LoraGradients {
    private static final int ROWS = 16;
    private static final int COLUMNS = 64;
    /** A vector of columns. */
    private static final int LANES = FloatVector.SPECIES_PREFERRED.length();

    private final Workers workers;
    private final Scratch scratch;

    LoraGradients(Workers workers, Scratch scratch) {
        this.workers = workers;
        this.scratch = scratch;
    }

    /** See {@link dev.nightshift.tensor.TrainingOps#loraForward}. */
    void forward(Tensor y, int column, Tensor x, Tensor h, LoraFactors factors, Dropout dropout) {
        int rows = size(x, 0);
        int in = size(x, 1);
        int rank = size(factors.a(), 0);
        int out = size(factors.b(), 0);
        long a = Raw.address(factors.a());
        long b = Raw.address(factors.b());
        long xs = dropped(x, dropout);
        long hs = Raw.address(h);
        long ys = Raw.address(y) + 4L * column;
        long strideY = 4L * size(y, 1);
        low(hs, xs, a, rows, in, rank);
        float scale = factors.scale();
        workers.run(
                (item, thread) -> {
                    int from = item * COLUMNS;
                    int count = Math.min(COLUMNS, out - from);
                    long tile = scratch.of(thread, (long) rank * COLUMNS * 4);
                    transpose(tile, b + 4L * from * rank, count, rank);
                    Gemms.rowsTimes(
                            ys + 4L * from,
                            strideY,
                            hs,
                            4L * rank,
                            tile,
                            4L * COLUMNS,
                            rows,
                            count,
                            rank,
                            scale,
                            false);
                },
                blocks(out, COLUMNS));
    }

    /** {@code h = x A^T}: A is turned first, its columns padded to whole vectors. */
    private void low(long h, long x, long a, int rows, int in, int rank) {
        int width = (rank + LANES - 1) / LANES * LANES;
        long turned = scratch.shared(4L * in * width);
        workers.run(
                (item, thread) -> {
                    int from = item * COLUMNS;
                    for (int k = from; k < Math.min(in, from + COLUMNS); k++) {
                        long to = turned + 4L * k * width;
                        for (int r = 0; r < rank; r++) {
                            Raw.f32(to + 4L * r, Raw.f32(a + 4L * ((long) r * in + k)));
                        }
                        Raw.fill(to + 4L * rank, 4L * (width - rank));
                    }
                },
                blocks(in, COLUMNS));
        workers.run(
                (item, thread) -> {
                    int from = item * ROWS;
                    int count = Math.min(ROWS, rows - from);
                    long own = scratch.of(thread, 4L * ROWS * width);
                    Gemms.rowsTimes(
                            own,
                            4L * width,
                            x + 4L * from * in,
                            4L * in,
                            turned,
                            4L * width,
                            count,
                            width,
                            in,
                            1,
                            true);
                    for (int r = 0; r < count; r++) {
                        Raw.copy(own + 4L * r * width, h + 4L * (from + r) * rank, 4L * rank);
                    }
                },
                blocks(rows, ROWS));
    }

    /** [count, rank] -> [rank, COLUMNS]. */
    private static void transpose(long target, long source, int count, int rank) {
        for (int o = 0; o < count; o++) {
            for (int k = 0; k < rank; k++) {
                Raw.f32(target + 4L * (k * COLUMNS + o), Raw.f32(source + 4L * (o * rank + k)));
            }
        }
    }

    /** See {@link dev.nightshift.tensor.TrainingOps#loraBackward}. */
    void backward(
            Tensor dx,
            Tensor da,
            Tensor db,
            Tensor dy,
            int column,
            Tensor x,
            Tensor h,
            Tensor dh,
            LoraFactors factors,
            Dropout dropout) {
        int rows = size(x, 0);
        int in = size(x, 1);
        int rank = size(factors.a(), 0);
        int out = size(factors.b(), 0);
        long strideDy = 4L * size(dy, 1);
        long dys = Raw.address(dy) + 4L * column;
        long hs = Raw.address(h);
        long dhs = Raw.address(dh);
        long b = Raw.address(factors.b());
        float scale = factors.scale();
        outputGradient(db, dys, strideDy, hs, rank, out, rows, scale); // dB += scale * dY^T h
        workers.run(
                (item, thread) -> {
                    int from = item * ROWS;
                    Gemms.rowsTimes(
                            dhs + 4L * from * rank,
                            4L * rank,
                            dys + from * strideDy,
                            strideDy,
                            b,
                            4L * rank,
                            Math.min(ROWS, rows - from),
                            rank,
                            out,
                            scale,
                            true);
                },
                blocks(rows, ROWS)); // dH = scale * dY B
        downGradient(da, dhs, x, dropout, rank, rows, in);
        if (dx != null) {
            inputGradient(dx, dhs, factors, rank, rows, in, dropout);
        }
    }

    /** {@code dA += dH^T drop(x)}. */
    private void downGradient(Tensor da, long dhs, Tensor x, Dropout dropout, int rank, int rows, int in) {
        long xs = dropped(x, dropout);
        long das = Raw.address(da);
        workers.run(
                (item, thread) -> {
                    int from = item * COLUMNS;
                    Gemms.columnsTimes(
                            das + 4L * from,
                            4L * in,
                            dhs,
                            4L * rank,
                            xs + 4L * from,
                            4L * in,
                            rank,
                            Math.min(COLUMNS, in - from),
                            rows,
                            1);
                },
                blocks(in, COLUMNS));
    }

    private void outputGradient(Tensor db, long dys, long strideDy, long hs, int rank, int out, int rows, float scale) {
        long dbs = Raw.address(db);
        workers.run(
                (item, thread) -> {
                    int from = item * ROWS;
                    int count = Math.min(ROWS, out - from);
                    Gemms.columnsTimes(
                            dbs + 4L * from * rank,
                            4L * rank,
                            dys + 4L * from,
                            strideDy,
                            hs,
                            4L * rank,
                            count,
                            rank,
                            rows,
                            scale);
                },
                blocks(out, ROWS));
    }

    /** {@code dX += undrop(dH A)}. */
    private void inputGradient(Tensor dx, long dh, LoraFactors factors, int rank, int rows, int in, Dropout dropout) {
        long a = Raw.address(factors.a());
        long dxs = Raw.address(dx);
        boolean drop = dropout.probability() > 0;
        long target = drop ? scratch.shared(4L * rows * in) : dxs;
        workers.run(
                (item, thread) -> {
                    int from = item * ROWS;
                    int count = Math.min(ROWS, rows - from);
                    long own = target + 4L * from * in;
                    Gemms.rowsTimes(
                            own, 4L * in, dh + 4L * from * rank, 4L * rank, a, 4L * in, count, in, rank, 1, drop);
                    if (drop) {
                        for (int r = from; r < from + count; r++) {
                            addDropped(dxs + 4L * r * in, target + 4L * r * in, r, in, dropout);
                        }
                    }
                },
                blocks(rows, ROWS));
    }

    private static void addDropped(long target, long source, int row, int in, Dropout dropout) {
        float keep = 1 / (1 - dropout.probability());
        for (int i = 0; i < in; i++) {
            if (kept(dropout, row, i)) {
                Raw.f32(target + 4L * i, Raw.f32(target + 4L * i) + keep * Raw.f32(source + 4L * i));
            }
        }
    }

    /** Address of drop(x): x itself without dropout, else a masked copy. */
    private long dropped(Tensor x, Dropout dropout) {
        long source = Raw.address(x);
        if (dropout.probability() == 0) {
            return source;
        }
        int rows = size(x, 0);
        int in = size(x, 1);
        long copy = scratch.masked(4L * rows * in);
        float keep = 1 / (1 - dropout.probability());
        workers.run(
                (row, thread) -> {
                    long at = 4L * row * in;
                    for (int i = 0; i < in; i++) {
                        float value = kept(dropout, row, i) ? keep * Raw.f32(source + at + 4L * i) : 0;
                        Raw.f32(copy + at + 4L * i, value);
                    }
                },
                rows);
        return copy;
    }

    private static boolean kept(Dropout dropout, int row, int column) {
        float draw = CounterRandom.uniform(dropout.seed(), CounterRandom.DROPOUT, dropout.firstRow() + row, column);
        return draw >= dropout.probability();
    }

    private static int blocks(int count, int block) {
        return (count + block - 1) / block;
    }

    private static int size(Tensor tensor, int axis) {
        return Math.toIntExact(tensor.shape().axis(axis));
    }
}
