package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How an engine starts, is left, fails and ends. */
@Timeout(60)
class EngineLifeTest {
    private final HashOps ops = new HashOps();
    private final List<EngineLoop> loops = new ArrayList<>();
    private final AtomicInteger fatal = new AtomicInteger();

    @AfterEach
    void closeAll() {
        loops.forEach(EngineLoop::close);
    }

    private EngineLoop engine(EngineLimits limits, int blocks, IdleWork idleWork) {
        EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, blocks), limits, idleWork, fatal::incrementAndGet);
        loops.add(loop);
        return loop.start();
    }

    private EngineLoop engine() {
        return engine(Limits.small().build(), 800, IdleWork.NONE);
    }

    private static SequenceRequest request(long seed, int prompt, int tokens, AtomicInteger released) {
        int[] ids = new Random(seed).ints(prompt, 0, HashOps.POISON).toArray();
        AdapterBinding adapter = new AdapterBinding((int) (seed % 3) - 1, "d" + seed % 3, released::incrementAndGet);
        return new SequenceRequest(
                ids, SamplingParameters.greedy(), tokens, adapter, "", -1, 32, Optional.empty(), () -> {});
    }

    private static void until(java.util.function.BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("within 20 s").isLessThan(end);
            Thread.onSpinWait();
        }
    }

    @Test
    void twoHundredCancelledAtRandomLeaveNothingBehind() {
        long seed = 77;
        System.err.println("seed " + seed);
        Random random = new Random(seed);
        EngineLoop loop = engine(Limits.small().queue(8, 400).build(), 300, IdleWork.NONE);
        long threads = engineThreads();
        AtomicInteger released = new AtomicInteger();
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            Sequence sequence = loop.submit(request(i, 1 + random.nextInt(250), 100, released));
            sequences.add(sequence);
            // Some are cancelled at once, some while they wait, some in their prompt, some while they decode.
            if (random.nextInt(3) == 0) {
                sequences.get(random.nextInt(sequences.size())).cancel();
            }
        }
        while (!sequences.isEmpty()) {
            sequences.remove(random.nextInt(sequences.size())).cancel();
        }
        until(() -> !loop.statistics().busy());
        EngineStatistics end = loop.statistics();
        assertThat(released.get()).as("adapters released once each").isEqualTo(200);
        assertThat(end.blocksUsed()).isZero();
        assertThat(end.cancelled() + end.finished()).isEqualTo(200);
        assertThat(engineThreads()).isEqualTo(threads);
        // The engine still works.
        Sequence after = loop.submit(request(1, 30, 20, released));
        assertThat(Transcript.read(after).ids()).hasSize(20);
    }

    /** By name: a JVM starts and ends threads of its own at any time. */
    private static long engineThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("nightshift"))
                .count();
    }

    @Test
    void aSequenceIsCountedFromItsSubmissionToItsEnd() {
        EngineLoop loop = engine();
        for (int i = 0; i < 30_000; i++) {
            AtomicInteger released = new AtomicInteger();
            Sequence sequence = loop.submit(request(i, 3, 2, released));
            while (loop.statistics().busy()) {
                Thread.onSpinWait();
            }
            assertThat(released.get())
                    .as("ends before the engine counts as idle")
                    .isEqualTo(1);
            assertThat(Transcript.read(sequence).ids()).hasSize(2);
        }
    }

    @Test
    void aCancelledSequenceFreesItsBlocksBeforeTheNextStep() {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        AtomicReference<EngineLoop> loop = new AtomicReference<>();
        List<Integer> usedAtNextStep = new ArrayList<>();
        AtomicInteger steps = new AtomicInteger();
        ops.beforeStep = () -> {
            if (steps.incrementAndGet() == 5) {
                reached.countDown();
                await(open);
            } else if (steps.get() == 6) {
                usedAtNextStep.add(loop.get().statistics().blocksUsed());
            }
        };
        loop.set(engine());
        AtomicInteger released = new AtomicInteger();
        Sequence cancelled = loop.get().submit(request(1, 200, 100, released));
        Sequence other = loop.get().submit(request(2, 10, 30, released));
        await(reached);
        cancelled.cancel();
        open.countDown();
        Transcript.read(other);
        assertThat(usedAtNextStep.getFirst()).as("blocks of the other alone").isLessThan(10);
        assertThat(Transcript.read(cancelled).finished().reason()).isEqualTo(FinishReason.CANCELLED);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aDeviceErrorStopsTheEngineAndTellsEverybody() {
        AtomicInteger steps = new AtomicInteger();
        ops.beforeStep = () -> {
            if (steps.incrementAndGet() == 4) {
                throw new IllegalStateException("illegal address");
            }
        };
        EngineLoop loop = engine(Limits.small().queue(2, 10).build(), 400, IdleWork.NONE);
        AtomicInteger released = new AtomicInteger();
        List<Sequence> sequences = loop.submit(
                List.of(request(1, 20, 30, released), request(2, 20, 30, released), request(3, 20, 30, released)));
        for (Transcript read : Transcript.readAll(sequences)) {
            assertThat(read.failure().code()).isEqualTo(ErrorCode.UNAVAILABLE);
            assertThat(read.failure()).hasMessageContaining("illegal address");
        }
        until(() -> fatal.get() == 1);
        assertThat(loop.health().state()).isEqualTo(EngineState.FAILED);
        assertThat(loop.health().reason()).contains("illegal address");
        assertThat(released.get()).isEqualTo(3);
        assertThatThrownBy(() -> loop.submit(request(4, 5, 5, released)))
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.UNAVAILABLE));
    }

    @Test
    void drainFinishesWhatRunsAndAdmitsNothingMore() throws Exception {
        EngineLoop loop = engine(Limits.small().queue(2, 10).build(), 400, IdleWork.NONE);
        AtomicInteger released = new AtomicInteger();
        ops.beforeStep = () -> sleep(1);
        List<Sequence> sequences = loop.submit(
                List.of(request(1, 20, 30, released), request(2, 20, 30, released), request(3, 20, 30, released)));
        FutureTask<Boolean> drained = new FutureTask<>(() -> loop.drain(Duration.ofSeconds(30)));
        Thread.ofVirtual().start(drained);
        until(() -> loop.health().state() != EngineState.RUNNING);
        assertThatThrownBy(() -> loop.submit(request(4, 5, 5, released)))
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.UNAVAILABLE));
        assertThat(Transcript.readAll(sequences))
                .allSatisfy(t -> assertThat(t.ids()).hasSize(30));
        assertThat(drained.get()).isTrue();
        assertThat(loop.health().state()).isEqualTo(EngineState.STOPPED);
    }

    @Test
    void whatOutlastsTheGraceTimeFailsWithUnavailable() throws InterruptedException {
        ops.beforeStep = () -> sleep(5);
        EngineLoop loop = engine();
        AtomicInteger released = new AtomicInteger();
        Sequence endless = loop.submit(request(1, 20, 370, released));
        assertThat(loop.drain(Duration.ofMillis(100))).isFalse();
        List<TokenEvent> events = new ArrayList<>();
        for (TokenEvent event = endless.poll(); event != null; event = endless.poll()) {
            events.add(event);
        }
        assertThat(events.getLast())
                .isInstanceOfSatisfying(
                        TokenEvent.Failed.class,
                        failed -> assertThat(failed.failure().code()).isEqualTo(ErrorCode.UNAVAILABLE));
        assertThat(released.get()).isEqualTo(1);
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void idleWorkRunsWhileNothingElseDoesAndStopsForChat() {
        AtomicInteger slices = new AtomicInteger();
        AtomicInteger duringChat = new AtomicInteger();
        AtomicReference<EngineLoop> loop = new AtomicReference<>();
        loop.set(engine(Limits.small().build(), 400, budget -> {
            assertThat(budget).isEqualTo(Duration.ofMillis(200));
            slices.incrementAndGet();
            if (loop.get() != null && loop.get().statistics().running() > 0) {
                duringChat.incrementAndGet();
            }
            return true;
        }));
        until(() -> slices.get() > 10);
        AtomicInteger released = new AtomicInteger();
        assertThat(Transcript.read(loop.get().submit(request(1, 20, 100, released)))
                        .ids())
                .hasSize(100);
        assertThat(duringChat.get()).as("slices with a running sequence").isZero();
        int before = slices.get();
        until(() -> slices.get() > before + 10);
    }

    @Test
    void idleWorkGetsItsShareBesideChatWhenGranted() {
        AtomicInteger busy = new AtomicInteger();
        EngineLimits limits = Limits.small().busySlice(Duration.ofMillis(3)).build();
        EngineLoop loop = engine(limits, 400, budget -> {
            busy.addAndGet(budget.equals(Duration.ofMillis(3)) ? 1 : 0);
            return false;
        });
        Transcript.read(loop.submit(request(1, 20, 50, new AtomicInteger())));
        assertThat(busy.get()).isGreaterThanOrEqualTo(49);
    }

    @Test
    void blocksLentToTrainingComeBack() {
        AtomicInteger lent = new AtomicInteger(-2);
        AtomicReference<EngineLoop> loop = new AtomicReference<>();
        AtomicReference<Runnable> task = new AtomicReference<>();
        loop.set(engine(Limits.small().build(), 200, budget -> {
            Runnable next = task.getAndSet(null);
            if (next != null) {
                next.run();
            }
            return next != null;
        }));
        // 400 tokens are the longest sequence: 100 blocks of 4 tokens stay.
        task.set(() -> lent.set(loop.get().lendBlocks(101)));
        loop.get().wake();
        until(() -> lent.get() != -2);
        assertThat(lent.get()).isEqualTo(-1);
        task.set(() -> lent.set(loop.get().lendBlocks(100)));
        loop.get().wake();
        until(() -> lent.get() >= 0);
        assertThat(lent.get()).isEqualTo(100);
        AtomicInteger released = new AtomicInteger();
        List<Sequence> crowd = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            crowd.add(loop.get().submit(request(i, 150, 100, released)));
        }
        assertThat(Transcript.readAll(crowd))
                .allSatisfy(t -> assertThat(t.ids()).hasSize(100));
        task.set(() -> loop.get().returnBlocks(100, 100));
        loop.get().wake();
        until(() -> loop.get().statistics().blocksUsed() == 0);
        assertThatThrownBy(() -> loop.get().lendBlocks(1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void healthTellsASleepingLoopFromAHangingOne() {
        EngineLoop loop = engine();
        // Asleep it comes round by itself: the time since then shrinks again and again.
        for (int i = 0; i < 2; i++) {
            AtomicReference<Duration> longest = new AtomicReference<>(Duration.ZERO);
            until(() -> {
                Duration since = loop.health().sinceProgress();
                return since.compareTo(longest.getAndSet(since)) < 0;
            });
        }
        CountDownLatch open = new CountDownLatch(1);
        ops.beforeStep = () -> await(open);
        loop.submit(request(1, 5, 5, new AtomicInteger()));
        until(() -> loop.health().sinceProgress().compareTo(Duration.ofSeconds(2)) > 0);
        open.countDown();
    }
}
