package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineLoopTest {
    private static final EngineLimits LIMITS = Limits.small().build();

    private final HashOps ops = new HashOps();
    private final List<EngineLoop> loops = new ArrayList<>();

    @AfterEach
    void closeAll() {
        loops.forEach(EngineLoop::close);
    }

    private EngineLoop engine(EngineLimits limits, int blocks, int... endIds) {
        EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, blocks, endIds), limits, IdleWork.NONE, () -> {});
        loops.add(loop);
        return loop.start();
    }

    private static int[] prompt(long seed, int length) {
        return new Random(seed).ints(length, 0, HashOps.POISON).toArray();
    }

    private static SequenceRequest greedy(int[] prompt, int tokens) {
        return SequenceRequest.of(prompt, SamplingParameters.greedy(), tokens);
    }

    private static SamplingParameters sampling(float temperature, float presence, long seed) {
        return new SamplingParameters(temperature, 0, 1, 0, 1, presence, 0, seed, Map.of(), List.of(), 0, false, -1);
    }

    private static void waitUntilIdle(EngineLoop loop) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (loop.statistics().busy()) {
            assertThat(System.nanoTime()).as("engine idle within 10 s").isLessThan(end);
            Thread.onSpinWait();
        }
    }

    // ---- text

    @Test
    void sixtyFourMixedSequencesGiveTheTextOfEachAlone() {
        List<SequenceRequest> requests = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            SamplingParameters sampling = i % 3 == 0 ? sampling(0.7f, i % 2, i) : SamplingParameters.greedy();
            // Base rows and three adapters share the steps.
            AdapterBinding adapter = new AdapterBinding(i % 4 - 1, "adapter" + i % 4, () -> {});
            requests.add(new SequenceRequest(
                    prompt(i, 1 + i * 37 % 150),
                    sampling,
                    5 + i * 13 % 90,
                    adapter,
                    "",
                    -1,
                    256,
                    Optional.empty(),
                    () -> {}));
        }
        List<List<Integer>> alone = new ArrayList<>();
        EngineLoop single = engine(Limits.small().withoutPrefixCache().build(), 800);
        for (SequenceRequest request : requests) {
            alone.add(Transcript.read(single.submit(request)).ids());
        }
        EngineLoop batched = engine(LIMITS, 2000);
        List<Transcript> together = Transcript.readAll(batched.submit(requests));
        assertThat(together.stream().map(Transcript::ids)).isEqualTo(alone);
        assertThat(together).allSatisfy(t -> assertThat(t.finished().reason()).isEqualTo(FinishReason.LENGTH));
    }

    @Test
    void chunkedPromptsGiveTheTextOfWholeOnes() {
        SequenceRequest request = greedy(prompt(5, 300), 40);
        List<Integer> whole = Transcript.read(
                        engine(Limits.small().chunks(400, 64).build(), 200).submit(request))
                .ids();
        for (int chunk : new int[] {1, 3, 7, 64}) {
            EngineLimits limits = Limits.small().queue(1, 4).chunks(chunk, 1).build();
            assertThat(Transcript.read(engine(limits, 200).submit(request)).ids())
                    .isEqualTo(whole);
        }
    }

    @Test
    void prefixHitsGiveTheTextOfMisses() {
        EngineLoop loop = engine(LIMITS, 400);
        int[] start = prompt(6, 100);
        Transcript first = Transcript.read(loop.submit(greedy(start, 30)));
        Transcript second = Transcript.read(loop.submit(greedy(start, 30)));
        assertThat(first.finished().cachedPromptTokens()).isZero();
        // 100 tokens are 25 blocks; the last one is computed again, as the last token's logits are wanted.
        assertThat(second.finished().cachedPromptTokens()).isEqualTo(96);
        assertThat(second.ids()).isEqualTo(first.ids());
        assertThat(loop.statistics().prefixHitTokens()).isEqualTo(96);

        // The answer's blocks serve the next turn too.
        int[] turn = IntStream.concat(IntStream.of(start), first.ids().stream().mapToInt(Integer::intValue))
                .toArray();
        Transcript third = Transcript.read(loop.submit(greedy(turn, 10)));
        assertThat(third.finished().cachedPromptTokens()).isEqualTo(128);
        Transcript fresh = Transcript.read(engine(LIMITS, 400).submit(greedy(turn, 10)));
        assertThat(third.ids()).isEqualTo(fresh.ids());
    }

    @Test
    void prefixesAreKeptApartByAdapterAndSalt() {
        EngineLoop loop = engine(LIMITS, 800);
        int[] prompt = prompt(7, 80);
        List<List<Integer>> texts = new ArrayList<>();
        for (String[] tenant :
                new String[][] {{"-1", "", ""}, {"0", "a", ""}, {"1", "b", ""}, {"-1", "", "a"}, {"0", "a", "a"}}) {
            AdapterBinding adapter = new AdapterBinding(Integer.parseInt(tenant[0]), tenant[1], () -> {});
            SequenceRequest request = new SequenceRequest(
                    prompt, SamplingParameters.greedy(), 20, adapter, tenant[2], -1, 64, Optional.empty(), () -> {});
            Transcript cold = Transcript.read(loop.submit(request));
            Transcript warm = Transcript.read(loop.submit(request));
            assertThat(cold.finished().cachedPromptTokens())
                    .as(String.join(",", tenant))
                    .isZero();
            assertThat(warm.finished().cachedPromptTokens()).isEqualTo(76);
            assertThat(warm.ids()).isEqualTo(cold.ids());
            texts.add(cold.ids());
        }
        assertThat(texts.get(3)).as("a salt changes no text").isEqualTo(texts.get(0));
        assertThat(texts.get(1))
                .as("an adapter does")
                .isNotEqualTo(texts.get(0))
                .isNotEqualTo(texts.get(2));
    }

    @Test
    void preemptionUnderATinyPoolGivesTheSameTextOnce() {
        List<SequenceRequest> requests = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            SamplingParameters sampling = i % 2 == 0 ? sampling(0.5f, 1, i) : SamplingParameters.greedy();
            requests.add(SequenceRequest.of(prompt(100 + i, 20 + i), sampling, 100));
        }
        List<List<Integer>> calm = Transcript.readAll(engine(LIMITS, 2000).submit(requests)).stream()
                .map(Transcript::ids)
                .toList();
        EngineLoop tiny = engine(LIMITS, 45);
        List<Transcript> squeezed = Transcript.readAll(tiny.submit(requests));
        assertThat(squeezed.stream().map(Transcript::ids)).isEqualTo(calm);
        assertThat(tiny.statistics().preemptions()).isPositive();
        waitUntilIdle(tiny);
        assertThat(tiny.statistics().blocksUsed()).isZero();
    }

    @Test
    void seededTextDoesNotDependOnWhatRunsBeside() {
        SequenceRequest seeded = SequenceRequest.of(prompt(8, 30), sampling(1.3f, 0.5f, 4711), 60);
        List<Integer> alone =
                Transcript.read(engine(LIMITS, 400).submit(seeded)).ids();
        EngineLoop busy = engine(LIMITS, 2000);
        List<Sequence> crowd = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            crowd.add(busy.submit(SequenceRequest.of(prompt(i, 50), sampling(1, 0, i), 80)));
        }
        Sequence watched = busy.submit(seeded);
        assertThat(Transcript.read(watched).ids()).isEqualTo(alone);
        Transcript.readAll(crowd);
    }

    // ---- ends

    @Test
    void stopTokensEndTheTextAndAreNamed() {
        int[] prompt = prompt(9, 12);
        List<Integer> free =
                Transcript.read(engine(LIMITS, 400).submit(greedy(prompt, 30))).ids();
        int end = free.get(10);
        int first = free.indexOf(end);
        Transcript stopped = Transcript.read(engine(LIMITS, 400, end).submit(greedy(prompt, 30)));
        assertThat(stopped.ids()).isEqualTo(free.subList(0, first));
        assertThat(stopped.finished().reason()).isEqualTo(FinishReason.STOP);
        assertThat(stopped.finished().stopId()).isEqualTo(end);

        SamplingParameters own = new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(end), 0, false, -1);
        assertThat(Transcript.read(engine(LIMITS, 400).submit(SequenceRequest.of(prompt, own, 30)))
                        .ids())
                .isEqualTo(free.subList(0, first));

        SamplingParameters ignoring = new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, true, -1);
        assertThat(Transcript.read(engine(LIMITS, 400, end).submit(SequenceRequest.of(prompt, ignoring, 30)))
                        .ids())
                .isEqualTo(free);

        SamplingParameters least = new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 25, false, -1);
        Transcript longer = Transcript.read(engine(LIMITS, 400, end).submit(SequenceRequest.of(prompt, least, 30)));
        assertThat(longer.ids()).hasSizeGreaterThanOrEqualTo(25);
        assertThat(longer.ids().subList(0, 25)).doesNotContain(end);
    }

    @Test
    void logitBiasForcesAndBans() {
        int[] prompt = prompt(10, 12);
        SamplingParameters forced =
                new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(7, 100f), List.of(), 0, false, -1);
        assertThat(Transcript.read(engine(LIMITS, 400).submit(SequenceRequest.of(prompt, forced, 5)))
                        .ids())
                .containsExactly(7, 7, 7, 7, 7);
    }

    @Test
    void nanLogitsEndThatSequenceOnly() {
        EngineLoop loop = engine(LIMITS, 800);
        int[] poisoned = prompt(11, 40);
        poisoned[20] = HashOps.POISON;
        List<Sequence> sequences =
                loop.submit(List.of(greedy(prompt(12, 40), 30), greedy(poisoned, 30), greedy(prompt(13, 40), 30)));
        List<Transcript> read = Transcript.readAll(sequences);
        assertThat(read.get(1).failure().code()).isEqualTo(ErrorCode.NON_FINITE_LOGITS);
        assertThat(read.get(1).ids()).isEmpty();
        assertThat(read.get(0).ids()).hasSize(30);
        assertThat(read.get(2).ids()).hasSize(30);
        waitUntilIdle(loop);
        assertThat(loop.statistics().blocksUsed()).isZero();
        // What it computed is not offered to others.
        Transcript again = Transcript.read(loop.submit(greedy(poisoned, 5)));
        assertThat(again.failure().code()).isEqualTo(ErrorCode.NON_FINITE_LOGITS);
        assertThat(loop.statistics().prefixHitTokens()).isZero();
    }

    @Test
    void deadlinesEndWaitingAndRunningSequences() {
        ops.beforeStep = () -> sleep(5);
        EngineLoop loop = engine(Limits.small().queue(1, 10).build(), 400);
        Sequence running = loop.submit(until(Instant.now().plusMillis(150)));
        Sequence waiting = loop.submit(until(Instant.now().plusMillis(100)));
        assertThat(Transcript.read(waiting).failure().code()).isEqualTo(ErrorCode.REQUEST_TIMEOUT);
        assertThat(Transcript.read(running).failure().code()).isEqualTo(ErrorCode.REQUEST_TIMEOUT);
    }

    private static SequenceRequest greedy(int[] prompt, int tokens, int eventsMax, Optional<Instant> deadline) {
        AdapterBinding base = AdapterBinding.BASE;
        SamplingParameters sampling = SamplingParameters.greedy();
        return new SequenceRequest(prompt, sampling, tokens, base, "", -1, eventsMax, deadline, () -> {});
    }

    private static SequenceRequest until(Instant deadline) {
        return greedy(prompt(14, 10), 350, 256, Optional.of(deadline));
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- limits

    @Test
    void theSequenceBeyondMaxRunningWaitsAndTheQueueHasALimit() throws InterruptedException {
        Semaphore steps = new Semaphore(0);
        ops.beforeStep = steps::acquireUninterruptibly;
        EngineLoop loop = engine(Limits.small().queue(64, 3).build(), 3000);
        List<Sequence> running = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            running.add(loop.submit(greedy(prompt(i, 4), 20)));
        }
        Sequence sixtyFifth = loop.submit(greedy(prompt(65, 4), 3));
        steps.release(5);
        while (loop.statistics().steps() < 5) {
            Thread.onSpinWait();
        }
        assertThat(loop.statistics().running()).isEqualTo(64);
        assertThat(loop.statistics().waiting()).isEqualTo(1);
        assertThat(sixtyFifth.poll()).isNull();
        loop.submit(List.of(greedy(prompt(66, 4), 3), greedy(prompt(67, 4), 3)));
        assertThatThrownBy(() -> loop.submit(greedy(prompt(68, 4), 3)))
                .isInstanceOfSatisfying(ServingException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.QUEUE_FULL);
                    assertThat(e.retryAfter().orElseThrow()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(60));
                    assertThat(e)
                            .hasMessageContaining("67")
                            .hasMessageContaining("64")
                            .hasMessageContaining("3");
                });
        assertThat(loop.statistics().refused()).isEqualTo(1);
        steps.release(100_000);
        Transcript.readAll(running);
        assertThat(Transcript.read(sixtyFifth).ids()).hasSize(3);
    }

    @Test
    void severalChoicesAreAdmittedTogetherOrNotAtAll() {
        CountDownLatch open = new CountDownLatch(1);
        ops.beforeStep = () -> await(open);
        EngineLoop loop = engine(Limits.small().queue(2, 2).build(), 400);
        loop.submit(greedy(prompt(1, 4), 2));
        SequenceRequest choice = greedy(prompt(2, 4), 2);
        assertThatThrownBy(() -> loop.submit(List.of(choice, choice, choice, choice)))
                .isInstanceOf(ServingException.class);
        assertThat(loop.submit(List.of(choice, choice, choice))).hasSize(3);
        open.countDown();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void whatCanNeverFitIsRefusedAtTheDoor() {
        EngineLoop loop = engine(LIMITS, 50);
        assertThat(loop.contextMax()).as("50 blocks of 4 tokens").isEqualTo(200);
        assertThatThrownBy(() -> loop.submit(greedy(prompt(1, 150), 51)))
                .isInstanceOfSatisfying(ServingException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.CONTEXT_LENGTH_EXCEEDED);
                    assertThat(e)
                            .hasMessageContaining("150")
                            .hasMessageContaining("51")
                            .hasMessageContaining("200");
                });
        assertThatThrownBy(() -> loop.submit(greedy(prompt(1, 5), 1_000_000_000)))
                .isInstanceOf(ServingException.class);
        assertThat(Transcript.read(loop.submit(greedy(prompt(1, 150), 50))).ids())
                .hasSize(50);
        assertThatThrownBy(() -> loop.submit(greedy(new int[] {HashOps.VOCAB}, 1)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("61");
        SamplingParameters bias =
                new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(999_999, 1f), List.of(), 0, false, -1);
        assertThatThrownBy(() -> loop.submit(SequenceRequest.of(new int[] {1}, bias, 1)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("999999");
    }

    @Test
    void aReaderThatDoesNotReadPausesItsSequenceOnly() {
        EngineLoop loop = engine(LIMITS, 800);
        SequenceRequest request = new SequenceRequest(
                prompt(15, 20),
                SamplingParameters.greedy(),
                200,
                AdapterBinding.BASE,
                "",
                -1,
                8,
                Optional.empty(),
                () -> {});
        Sequence slow = loop.submit(request);
        for (int i = 0; i < 5; i++) {
            assertThat(Transcript.read(loop.submit(greedy(prompt(16, 20), 100))).ids())
                    .hasSize(100);
        }
        assertThat(slow.queuedEvents()).isEqualTo(8);
        // It goes on where it paused.
        List<Integer> expected = Transcript.read(engine(LIMITS, 800).submit(greedy(prompt(15, 20), 200)))
                .ids();
        assertThat(Transcript.read(slow).ids()).isEqualTo(expected);
    }

    @Test
    void aReaderThatNeverReadsLosesItsSequence() {
        EngineLimits impatient = Limits.small().patience(Duration.ofMillis(100)).build();
        EngineLoop loop = engine(impatient, 800);
        Sequence slow = loop.submit(greedy(prompt(15, 20), 300));
        waitUntilIdle(loop);
        Transcript read = Transcript.read(slow);
        assertThat(read.ids()).hasSize(256);
        assertThat(read.failure().code()).isEqualTo(ErrorCode.REQUEST_TIMEOUT);
        assertThat(loop.statistics().blocksUsed()).isZero();
    }

    @Test
    void aReaderThatThrowsIsCancelledAndHarmsNobody() {
        EngineLoop loop = engine(LIMITS, 800);
        SequenceRequest bad = new SequenceRequest(
                prompt(15, 20),
                SamplingParameters.greedy(),
                200,
                AdapterBinding.BASE,
                "",
                -1,
                256,
                Optional.empty(),
                () -> {
                    throw new IllegalStateException("reader");
                });
        Sequence broken = loop.submit(bad);
        assertThat(Transcript.read(loop.submit(greedy(prompt(16, 20), 50))).ids())
                .hasSize(50);
        assertThat(Transcript.read(broken).finished().reason()).isEqualTo(FinishReason.CANCELLED);
    }

    @Test
    void firstComeIsFirstServed() {
        EngineLoop loop = engine(Limits.small().queue(1, 20).build(), 800);
        List<Integer> order = java.util.Collections.synchronizedList(new ArrayList<>());
        List<Sequence> sequences = new ArrayList<>();
        CountDownLatch open = new CountDownLatch(1);
        ops.beforeStep = () -> await(open);
        for (int i = 0; i < 10; i++) {
            int number = i;
            AdapterBinding released = new AdapterBinding(-1, "", () -> order.add(number));
            sequences.add(loop.submit(new SequenceRequest(
                    prompt(i, 60 - i * 5),
                    SamplingParameters.greedy(),
                    5,
                    released,
                    "",
                    -1,
                    64,
                    Optional.empty(),
                    () -> {})));
        }
        open.countDown();
        Transcript.readAll(sequences);
        waitUntilIdle(loop);
        assertThat(order).containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }

    @Test
    void aLongPromptDoesNotHoldUpDecoding() {
        Semaphore steps = new Semaphore(5);
        ops.beforeStep = steps::acquireUninterruptibly;
        EngineLoop loop = engine(LIMITS, 800);
        Sequence decoding = loop.submit(greedy(prompt(20, 4), 50));
        while (loop.statistics().steps() < 5) {
            Thread.onSpinWait();
        }
        Sequence prompt = loop.submit(greedy(prompt(21, 390), 1));
        int tokens = decoding.queuedEvents();
        while (prompt.queuedEvents() == 0) {
            long before = loop.statistics().steps();
            steps.release();
            while (loop.statistics().steps() == before) {
                Thread.onSpinWait();
            }
        }
        // 390 rows in chunks of at most 63 beside one decoding row: at least six steps, with a token in each.
        assertThat(decoding.queuedEvents() - tokens).isGreaterThanOrEqualTo(6);
        steps.release(1000);
    }

    @Test
    void aPausedSequenceGivesItsBlocksToThoseThatCanRun() {
        EngineLoop loop = engine(LIMITS, 60);
        SequenceRequest unread = greedy(prompt(30, 80), 100, 4, Optional.empty());
        Sequence paused = loop.submit(unread);
        while (paused.queuedEvents() < 4) {
            Thread.onSpinWait();
        }
        // Two sequences of up to 140 tokens need 70 blocks of the 60, of which the paused one, the oldest, holds 21.
        List<SequenceRequest> others = List.of(greedy(prompt(31, 40), 100), greedy(prompt(32, 40), 100));
        for (Transcript read : Transcript.readAll(loop.submit(others))) {
            assertThat(read.ids()).hasSize(100);
        }
        assertThat(loop.statistics().preemptions()).isPositive();
        List<Integer> expected = Transcript.read(engine(LIMITS, 800).submit(greedy(prompt(30, 80), 100)))
                .ids();
        assertThat(Transcript.read(paused).ids()).isEqualTo(expected);
    }
}
