package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TokenScores;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;

/** Steps of a made-up layer of {@link #WIDTH} inputs, one row and many in turn. */
final class WarmUp {
    static final long BYTES = 16L << 20;
    private static final Duration LONGEST = Duration.ofMillis(2_000);
    private static final int STEPS = 1_500;
    /** Every so many steps a batch, which costs as much as many single rows. */
    private static final int BATCH_EVERY = 8;

    private static final int BATCH = 18;
    private static final int WIDTH = 128;
    private static final int HEADS = 2;
    private static final int HEAD_DIM = 64;
    private static final int VOCABULARY = 1_024;
    private static final int BLOCK_TOKENS = 16;
    private static final AttentionShape SHAPE = new AttentionShape(HEADS, 1, HEAD_DIM, 0, 0.125f);

    private final VectorOps ops;
    private final Weight qkv;
    private final Weight down;
    private final Weight head;
    private final Tensor norm;
    private final KvLayout layout;
    private final Tensor cache;

    WarmUp(VectorOps ops) {
        this.ops = ops;
        Weight.FourBit square = fourBit(WIDTH, WIDTH);
        qkv = ops.prepare(new Weight.Fused(List.of(square, fourBit(HEAD_DIM, WIDTH), fourBit(HEAD_DIM, WIDTH))));
        down = ops.prepare(square);
        head = ops.prepare(new Weight.Dense(tensor(DType.BF16, VOCABULARY, WIDTH)));
        norm = filled(WIDTH);
        layout = ops.kvLayout(1, 1, HEAD_DIM, BLOCK_TOKENS);
        cache = tensor(DType.U8, 2, layout.blockBytes());
    }

    private Tensor tensor(DType dtype, long... axes) {
        return ops.allocate(MemoryPart.WORKSPACE, dtype, Shape.of(axes));
    }

    private Tensor filled(long... axes) {
        Tensor tensor = tensor(DType.F32, axes);
        for (long i = 0; i < tensor.shape().elements(); i++) {
            tensor.data().set(ValueLayout.JAVA_FLOAT, 4 * i, 1 - i % 7 / 4f);
        }
        return tensor;
    }

    private Weight.FourBit fourBit(int rows, int columns) {
        Tensor packed = tensor(DType.U8, (long) rows * columns / 2);
        Tensor absmax = filled((long) rows * columns / 64);
        return new Weight.FourBit(FourBitCode.NF4, rows, columns, 64, packed, new BlockScales.Plain(absmax));
    }

    void run() {
        Step one = new Step(1);
        Step many = new Step(BATCH);
        long start = System.nanoTime();
        for (int i = 0; i < STEPS && System.nanoTime() - start < LONGEST.toNanos(); i++) {
            one.run(i);
            if (i % BATCH_EVERY == 0) {
                many.run(i);
            }
        }
    }

    /** The tensors of a step of so many rows. */
    private final class Step {
        private final int rows;
        private final Tensor ids;
        private final Tensor x;
        private final Tensor y;
        private final Tensor heads;
        private final Tensor gateUp;
        private final Tensor logits;
        private final AttentionRows attention;
        private final TokenScores scores;
        private final SamplingRows greedy;
        private final SamplingRows drawn;

        Step(int rows) {
            this.rows = rows;
            ids = tensor(DType.I32, rows);
            x = filled(rows, WIDTH);
            y = filled(rows, WIDTH);
            heads = filled(rows, (HEADS + 2L) * HEAD_DIM);
            gateUp = filled(rows, 2 * WIDTH);
            logits = filled(rows, VOCABULARY);
            Tensor table = tensor(DType.I32, 1, 2);
            table.data().setAtIndex(ValueLayout.JAVA_INT, 1, 1);
            Tensor positions = tensor(DType.I32, rows);
            for (int row = 0; row < rows; row++) {
                positions.data().setAtIndex(ValueLayout.JAVA_INT, row, row);
            }
            attention = new AttentionRows(positions, tensor(DType.I32, rows), positions, table, filled(rows, HEAD_DIM));
            scores = new TokenScores(
                    tensor(DType.I32, rows),
                    tensor(DType.F32, rows),
                    tensor(DType.I32, rows, 5),
                    tensor(DType.F32, rows, 5));
            greedy = sampling(0);
            drawn = sampling(0.7f);
        }

        private Tensor every(float value) {
            Tensor tensor = tensor(DType.F32, rows);
            for (int row = 0; row < rows; row++) {
                tensor.data().setAtIndex(ValueLayout.JAVA_FLOAT, row, value);
            }
            return tensor;
        }

        private SamplingRows sampling(float temperature) {
            Tensor none = tensor(DType.I32, rows);
            none.data().fill((byte) -1);
            return new SamplingRows(
                    every(temperature),
                    tensor(DType.I32, rows),
                    every(0.9f),
                    every(0),
                    every(1),
                    every(0),
                    every(0),
                    tensor(DType.I64, rows),
                    tensor(DType.I64, rows),
                    tensor(DType.I32, rows, 1),
                    tensor(DType.F32, rows, 1),
                    none,
                    tensor(DType.I32, 1, VOCABULARY),
                    none,
                    tensor(DType.I32, 1, VOCABULARY / 32));
        }

        void run(int step) {
            ops.embed(x, head, ids, null);
            ops.rmsNorm(y, x, norm, 1e-5f);
            ops.linear(heads, y, qkv, null, null);
            ops.ropeAndStore(heads, null, null, 0, attention, SHAPE, cache, layout, 0);
            ops.attention(y, heads, attention, SHAPE, cache, layout, 0);
            ops.linear(x, y, down, null, null);
            ops.swiGlu(x, gateUp);
            ops.addRmsNorm(y, x, x, norm, 1e-5f);
            ops.linear(logits, y, head, null, null);
            ops.sample(scores, logits, step % 2 == 0 ? greedy : drawn);
            ops.score(scores, logits);
        }
    }
}
