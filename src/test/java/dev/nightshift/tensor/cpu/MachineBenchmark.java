package dev.nightshift.tensor.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What the machine gives at most, all threads: memory read and fma. The other benchmarks' figures are shares of these. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
@State(Scope.Benchmark)
public class MachineBenchmark {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    /** Far more than any cache. */
    private static final long BYTES = 1L << 30;

    private static final int PIECES = 64;
    private static final int ROUNDS = 200_000;
    private static final int CHAINS = 10;

    /** Work per second. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        public double gigaflop;
        public double gigabytes;
    }

    private HostMemory memory;
    private Workers workers;
    private long address;
    private float[] results;

    @Setup
    public void open() {
        memory = new HostMemory(2 * BYTES);
        workers = new Workers(Runtime.getRuntime().availableProcessors());
        address = Raw.address(memory.allocate(MemoryPart.WORKSPACE, DType.U8, Shape.of(BYTES)));
        Raw.fill(address, BYTES);
        results = new float[PIECES * 16];
    }

    @TearDown
    public void close() {
        workers.close();
        memory.close();
    }

    @Benchmark
    public float[] read(Work work) {
        workers.run((item, thread) -> results[16 * item] = sum(address + item * (BYTES / PIECES)), PIECES);
        work.gigabytes += 1e-9 * BYTES;
        return results;
    }

    private static float sum(long from) {
        FloatVector a = FloatVector.zero(F);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int vector = F.vectorByteSize();
        for (long at = from; at < from + BYTES / PIECES; at += 4L * vector) {
            a = a.add(FloatVector.fromMemorySegment(F, Raw.ALL, at, Raw.LE));
            b = b.add(FloatVector.fromMemorySegment(F, Raw.ALL, at + vector, Raw.LE));
            c = c.add(FloatVector.fromMemorySegment(F, Raw.ALL, at + 2L * vector, Raw.LE));
            d = d.add(FloatVector.fromMemorySegment(F, Raw.ALL, at + 3L * vector, Raw.LE));
        }
        return a.add(b).add(c.add(d)).reduceLanes(ADD);
    }

    @Benchmark
    public float[] fma(Work work) {
        workers.run((item, thread) -> results[16 * item] = chains(), PIECES);
        work.gigaflop += 2e-9 * PIECES * ROUNDS * CHAINS * F.length();
        return results;
    }

    private static float chains() {
        FloatVector m = FloatVector.broadcast(F, 0.999f);
        FloatVector c = FloatVector.broadcast(F, 0.001f);
        FloatVector a0 = c;
        FloatVector a1 = c;
        FloatVector a2 = c;
        FloatVector a3 = c;
        FloatVector a4 = c;
        FloatVector a5 = c;
        FloatVector a6 = c;
        FloatVector a7 = c;
        FloatVector a8 = c;
        FloatVector a9 = c;
        for (int i = 0; i < ROUNDS; i++) {
            a0 = m.fma(c, a0);
            a1 = m.fma(c, a1);
            a2 = m.fma(c, a2);
            a3 = m.fma(c, a3);
            a4 = m.fma(c, a4);
            a5 = m.fma(c, a5);
            a6 = m.fma(c, a6);
            a7 = m.fma(c, a7);
            a8 = m.fma(c, a8);
            a9 = m.fma(c, a9);
        }
        FloatVector sum = a0.add(a1).add(a2).add(a3).add(a4);
        return sum.add(a5).add(a6).add(a7).add(a8).add(a9).reduceLanes(ADD);
    }
}
