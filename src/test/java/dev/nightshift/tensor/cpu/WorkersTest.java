package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
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
    void everyThreadBeginsWithItsOwnItemsAndGoesOnInOrder() {
        int items = 90;
        try (Workers workers = new Workers(3)) {
            for (int job = 0; job < 200; job++) {
                List<List<Integer>> order = IntStream.range(0, 3)
                        .mapToObj(thread -> Collections.synchronizedList(new ArrayList<Integer>()))
                        .toList();
                workers.run((item, thread) -> order.get(thread).add(item), items);
                for (int thread = 0; thread < 3; thread++) {
                    int from = workers.first(items, thread);
                    int to = workers.first(items, thread + 1);
                    List<Integer> mine = order.get(thread);
                    List<Integer> own = mine.stream()
                            .takeWhile(item -> item >= from && item < to)
                            .toList();
                    assertThat(own).isSorted();
                    assertThat(mine.subList(own.size(), mine.size()))
                            .as("after others' items there are none of its own")
                            .noneMatch(item -> item >= from && item < to);
                }
            }
        }
    }

    @Test
    void whatAStuckThreadHasNotClaimedIsDoneByOthers() {
        try (Workers workers = new Workers(2)) {
            AtomicIntegerArray ranBy = new AtomicIntegerArray(64);
            CountDownLatch othersDone = new CountDownLatch(64 - 16);
            workers.run(
                    (item, thread) -> {
                        ranBy.set(item, 1 + thread);
                        if (item == 0) {
                            // the caller's first claim is half of its own 32
                            awaitQuietly(othersDone);
                        } else if (item >= 16) {
                            othersDone.countDown();
                        }
                    },
                    64);
            for (int item = 16; item < 64; item++) {
                assertThat(ranBy.get(item)).as("item %d", item).isEqualTo(2);
            }
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            assertThat(latch.await(10, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void moreItemsThanAWordHasPlacesForAreRunOnceEach() {
        try (Workers workers = new Workers(3)) {
            for (int items : new int[] {65_535, 65_536, 200_001}) {
                AtomicIntegerArray runs = new AtomicIntegerArray(items);
                workers.run((item, thread) -> runs.incrementAndGet(item), items);
                for (int item = 0; item < items; item++) {
                    assertThat(runs.get(item)).isEqualTo(1);
                }
            }
        }
    }

    /** Far more threads than processors: many come late, to the next job or the one after it, with other numbers of items. */
    @Test
    void lateThreadsTakeNothingOfAnotherJob() {
        try (Workers workers = new Workers(9)) {
            for (int job = 0; job < 20_000; job++) {
                int items = 2 + job * 7 % 23;
                AtomicIntegerArray runs = new AtomicIntegerArray(items);
                workers.run((item, thread) -> runs.incrementAndGet(item), items);
                for (int item = 0; item < items; item++) {
                    assertThat(runs.get(item)).as("job %d, item %d", job, item).isEqualTo(1);
                }
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
