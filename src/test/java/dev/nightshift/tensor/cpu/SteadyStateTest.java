package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.management.ManagementFactory;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What only holds once the compiler is done. */
class SteadyStateTest {

    @Test
    void warmUpRunsEveryKernelWithinItsTime() {
        // the thread's own time: a machine may give it little, or none for a while
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        VectorOps.warmUp();
        // twice the limit that it sets itself, plus one step in the interpreter
        assertThat(threads.getCurrentThreadCpuTime() - start).isBetween(1L, 8_000_000_000L);
    }

    /** A vector that the compiler does not keep in a register lands on the heap, 48 bytes each: the mark of a lost inlining. */
    @Tag("slow")
    @Test
    void linearsAllocateNothingOnceCompiled() {
        Random random = new Random(8);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (VectorOps ops = new VectorOps(64L << 20, 1)) {
            Weight[] weights = {
                ops.prepare(CpuFixtures.fourBit(random, FourBitCode.NF4, 576, 576, 64)),
                ops.prepare(CpuFixtures.dense(random, DType.BF16, 576, 576))
            };
            for (int rows : new int[] {1, 8, 64}) {
                Tensor x = CpuFixtures.floats(ops, CpuFixtures.normal(random, rows * 576), rows, 576);
                Tensor out = CpuFixtures.zeros(ops, rows, 576);
                for (Weight weight : weights) {
                    long least = Long.MAX_VALUE;
                    long until = System.nanoTime() + 20_000_000_000L;
                    while (least > 0 && System.nanoTime() < until) {
                        long before = threads.getCurrentThreadAllocatedBytes();
                        for (int i = 0; i < 20; i++) {
                            ops.linear(out, x, weight, null, null);
                        }
                        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
                    }
                    assertThat(least).as("%d rows, %s", rows, weight.rows()).isZero();
                }
            }
        }
    }
}
