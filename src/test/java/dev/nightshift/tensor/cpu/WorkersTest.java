package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class WorkersTest {

    @Test
    void runsEveryItemOnceInEveryJob() {
        try (Workers workers = new Workers(4)) {
            for (int job = 0; job < 3_000; job++) {
                int items = 1 + job % 37;
                AtomicIntegerArray runs = new AtomicIntegerArray(items);
                workers.run((item, thread) -> runs.incrementAndGet(item), items);
                for (int item = 0; item < items; item++) {
                    assertThat(runs.get(item)).as("job %d, item %d", job, item).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void itemsClaimedTogetherAreRunTogether() {
        for (int threads : new int[] {1, 2}) {
            try (Workers workers = new Workers(threads)) {
                AtomicIntegerArray done = new AtomicIntegerArray(1000);
                AtomicInteger claims = new AtomicInteger();
                Workers.Job job = new Workers.Job() {
                    @Override
                    public void run(int item, int thread) {
                        throw new IllegalStateException("item %d alone".formatted(item));
                    }

                    @Override
                    public void run(int from, int to, int thread) {
                        claims.incrementAndGet();
                        for (int item = from; item < to; item++) {
                            done.incrementAndGet(item);
                        }
                    }
                };
                workers.run(job, done.length());
                for (int item = 0; item < done.length(); item++) {
                    assertThat(done.get(item))
                            .as("item %d, %d threads", item, threads)
                            .isEqualTo(1);
                }
                assertThat(claims.get()).isLessThan(done.length() / 10);
            }
        }
    }

    @Test
    void wakesHelpersThatHaveGoneToSleep() throws InterruptedException {
        try (Workers workers = new Workers(3)) {
            for (int job = 0; job < 3; job++) {
                Thread.sleep(50);
                AtomicIntegerArray threads = new AtomicIntegerArray(3);
                workers.run(
                        (item, thread) -> {
                            threads.incrementAndGet(thread);
                            long until = System.nanoTime() + 200_000;
                            while (System.nanoTime() < until) {
                                Thread.onSpinWait();
                            }
                        },
                        600);
                assertThat(threads.get(0) + threads.get(1) + threads.get(2)).isEqualTo(600);
                assertThat(threads.get(1) + threads.get(2)).isPositive();
            }
        }
    }

    @Test
    void passesAFailureOnAndStaysUsable() {
        try (Workers workers = new Workers(2)) {
            assertThatThrownBy(() -> workers.run(
                            (item, thread) -> {
                                if (item == 5) {
                                    throw new IllegalStateException("item 5");
                                }
                            },
                            10))
                    .isInstanceOf(IllegalStateException.class)
                    .hasRootCauseMessage("item 5");
            AtomicIntegerArray runs = new AtomicIntegerArray(1);
            workers.run((item, thread) -> runs.incrementAndGet(0), 10);
            assertThat(runs.get(0)).isEqualTo(10);
        }
    }

    @Test
    void closingEndsItsThreads() {
        Workers workers = new Workers(3);
        workers.run((item, thread) -> {}, 10);
        workers.close();
        assertThat(Thread.getAllStackTraces().keySet())
                .filteredOn(thread -> thread.getName().startsWith("nightshift-cpu-") && workers.owns(thread))
                .isEmpty();
    }
}
