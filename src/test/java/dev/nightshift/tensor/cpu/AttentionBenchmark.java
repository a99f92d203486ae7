package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Rotary embedding and attention of SmolLM2-135M's 30 layers: a prompt of 512, or one token after 512. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
@State(Scope.Benchmark)
public class AttentionBenchmark {
    private static final int LAYERS = 30;
    private static final int CONTEXT = 512;
    private static final int BLOCK_TOKENS = 16;
    private static final AttentionShape SHAPE = new AttentionShape(9, 3, 64, 0, 0.125f);

    @Param({"1", "512"})
    int rows;

    private VectorOps ops;
    private KvLayout layout;
    private Tensor cache;
    private Tensor qkv;
    private Tensor out;
    private AttentionRows attention;

    @Setup
    public void open() {
        Random random = new Random(1);
        ops = new VectorOps(1L << 30, Runtime.getRuntime().availableProcessors());
        layout = ops.kvLayout(LAYERS, SHAPE.kvHeads(), SHAPE.headDim(), BLOCK_TOKENS);
        int blocks = CONTEXT / BLOCK_TOKENS;
        cache = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(blocks, layout.blockBytes()));
        qkv = CpuFixtures.floats(ops, CpuFixtures.normal(random, rows * 960), rows, 960);
        out = CpuFixtures.zeros(ops, rows, 576);
        int[] positions = new int[rows];
        for (int i = 0; i < rows; i++) {
            positions[i] = CONTEXT - rows + i;
        }
        int[] table = new int[blocks];
        for (int i = 0; i < blocks; i++) {
            table[i] = i;
        }
        attention = new AttentionRows(
                CpuFixtures.ints(ops, positions, rows),
                CpuFixtures.ints(ops, new int[rows], rows),
                CpuFixtures.ints(ops, positions, rows),
                CpuFixtures.ints(ops, table, 1, blocks),
                CpuFixtures.floats(ops, CpuFixtures.normal(random, rows * 64), rows, 64));
    }

    @TearDown
    public void close() {
        ops.close();
    }

    @Benchmark
    public void ropeAndStore() {
        for (int layer = 0; layer < LAYERS; layer++) {
            ops.ropeAndStore(qkv, null, null, 0, attention, SHAPE, cache, layout, layer);
        }
    }

    @Benchmark
    public void attention() {
        for (int layer = 0; layer < LAYERS; layer++) {
            ops.attention(out, qkv, attention, SHAPE, cache, layout, layer);
        }
    }
}
