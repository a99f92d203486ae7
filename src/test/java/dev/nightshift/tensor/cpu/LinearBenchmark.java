package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
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

/** All linears of SmolLM2-135M's layers, each layer's weights distinct so that they come from memory; and its head. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class LinearBenchmark {
    private static final int LAYERS = 30;
    private static final int HIDDEN = 576;
    private static final int INNER = 1_536;
    private static final int KV = 192;
    private static final int VOCABULARY = 49_152;

    /** Work per second: GFLOP and GB of weights as they lie in memory, scales included. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        public double gigaflop;
        public double gigabytes;
    }

    @State(Scope.Benchmark)
    public static class Model {
        @Param({"1", "8", "32", "128", "512"})
        int rows;

        @Param({"0"})
        int threads;

        VectorOps ops;
        Weight[][] layers;
        Weight head;
        Tensor hidden;
        Tensor inner;
        Tensor[] outputs;
        Tensor headInput;
        Tensor logits;
        double weights;

        @Setup
        public void open() {
            Random random = new Random(1);
            ops = new VectorOps(2L << 30, threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
            layers = new Weight[LAYERS][];
            for (int i = 0; i < LAYERS; i++) {
                Weight q = fourBit(random, HIDDEN, HIDDEN);
                layers[i] = new Weight[] {
                    ops.prepare(new Weight.Fused(List.of(q, fourBit(random, KV, HIDDEN), fourBit(random, KV, HIDDEN)))),
                    ops.prepare(q),
                    ops.prepare(
                            new Weight.Fused(List.of(fourBit(random, INNER, HIDDEN), fourBit(random, INNER, HIDDEN)))),
                    ops.prepare(fourBit(random, HIDDEN, INNER))
                };
            }
            head = ops.prepare(CpuFixtures.dense(random, DType.BF16, VOCABULARY, HIDDEN));
            hidden = CpuFixtures.floats(ops, CpuFixtures.normal(random, rows * HIDDEN), rows, HIDDEN);
            inner = CpuFixtures.floats(ops, CpuFixtures.normal(random, rows * INNER), rows, INNER);
            outputs = new Tensor[4];
            for (int i = 0; i < 4; i++) {
                outputs[i] = CpuFixtures.zeros(ops, rows, layers[0][i].rows());
                weights += (double) LAYERS * layers[0][i].rows() * layers[0][i].columns();
            }
            int heads = Math.min(rows, 32);
            headInput = hidden.rows(0, heads);
            logits = CpuFixtures.zeros(ops, heads, VOCABULARY);
        }

        private static Weight fourBit(Random random, int rows, int columns) {
            return CpuFixtures.fourBit(random, FourBitCode.NF4, rows, columns, 64);
        }

        @TearDown
        public void close() {
            ops.close();
        }
    }

    @Benchmark
    public void layers(Model model, Work work) {
        for (Weight[] layer : model.layers) {
            for (int i = 0; i < layer.length; i++) {
                model.ops.linear(model.outputs[i], i == 3 ? model.inner : model.hidden, layer[i], null, null);
            }
        }
        work.gigaflop += 2e-9 * model.weights * model.rows;
        work.gigabytes += 1e-9 * model.weights * (0.5 + 4.0 / 64);
    }

    /** At most 32 rows, as in a step of many sequences. */
    @Benchmark
    public void head(Model model, Work work) {
        model.ops.linear(model.logits, model.headInput, model.head, null, null);
        work.gigaflop += 2e-9 * VOCABULARY * HIDDEN * Math.min(model.rows, 32);
        work.gigabytes += 2e-9 * VOCABULARY * HIDDEN;
    }
}
