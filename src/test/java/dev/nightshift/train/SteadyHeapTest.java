package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Two thousand steps of a small model leave the heap as it was. */
@Tag("slow")
class SteadyHeapTest {
    private static final int STEPS = 2000;
    private static final int TOKENS = 16;
    private static final long NOISE_BYTES = 4 << 20;

    @Test
    void theHeapIsFlatOverTwoThousandSteps() {
        try (TestTrainer trainer = TestTrainer.open(
                TestTrainer.settings(0, 1, 0),
                TrainingGolden.adapter(
                        GoldenTensors.open(
                                GoldenTensors.shared("golden", "training", "initial", "adapter_model.safetensors")),
                        TestTrainer.LAYERS,
                        2))) {
            int[] ids = new int[TOKENS];
            Arrays.setAll(ids, i -> 5 + 3 * i);
            float[] weights = new float[TOKENS];
            Arrays.fill(weights, 1);
            MicroBatch batch = new MicroBatch(List.of(new Segment(ids, weights, Segment.Role.TARGET)));
            long early = 0;
            long allocatedEarly = 0;
            long half = 0;
            for (int step = 1; step <= STEPS; step++) {
                trainer.run(new OptimizerStep(new Objective.Supervised(), List.of(batch), List.of(), 1e-5, step, step));
                if (step == STEPS / 10) {
                    early = heap();
                    allocatedEarly = allocated();
                }
                if (step == STEPS / 10 + (STEPS - STEPS / 10) / 2) {
                    half = allocated();
                }
            }
            long late = heap();
            double first = half - allocatedEarly;
            double second = allocated() - half;
            System.out.printf(
                    "heap after a collection: %.1f MB at step %d, %.1f MB at step %d; allocated on the way: %.0f and %.0f bytes a step%n",
                    early / 1e6, STEPS / 10, late / 1e6, STEPS, first / (STEPS * 0.45), second / (STEPS * 0.45));
            assertThat(late - early).isLessThan(NOISE_BYTES);
            // what a step allocates does not grow with its number
            assertThat(second).isLessThan(1.1 * first);
        }
    }

    private static long heap() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static long allocated() {
        return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
