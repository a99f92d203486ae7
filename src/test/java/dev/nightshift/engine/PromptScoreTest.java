package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.failure.ErrorCode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Echoed prompts with scores, and log-probabilities of new tokens. */
@Timeout(60)
class PromptScoreTest {
    private final HashOps ops = new HashOps();

    private static int[] prompt(long seed, int length) {
        return new Random(seed).ints(length, 0, HashOps.POISON).toArray();
    }

    private static SequenceRequest scored(int[] prompt, int top, int newTokens) {
        SamplingParameters sampling =
                new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, false, top);
        return new SequenceRequest(
                prompt, sampling, newTokens, AdapterBinding.BASE, "", top, 64, Optional.empty(), () -> {});
    }

    private Transcript run(EngineLimits limits, SequenceRequest request) {
        try (EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, 400), limits, IdleWork.NONE, () -> {}).start()) {
            return Transcript.read(loop.submit(request));
        }
    }

    private static void same(List<TokenEvent.Scored> ours, List<TokenEvent.Scored> expected) {
        assertThat(ours).usingRecursiveComparison().isEqualTo(expected);
    }

    @Test
    void promptScoresDoNotDependOnChunksOrRowsPerStep() {
        int[] prompt = prompt(1, 150);
        Transcript whole =
                run(Limits.small().queue(1, 1).chunks(200, 1).scoreRows(200).build(), scored(prompt, 3, 5));
        assertThat(whole.promptScores()).hasSize(149);
        for (int i = 0; i < 149; i++) {
            TokenEvent.Scored score = whole.promptScores().get(i);
            assertThat(score.id()).isEqualTo(prompt[i + 1]);
            assertThat(score.topIds()).hasSize(3);
            assertThat(score.topLogprobs()[0]).isGreaterThanOrEqualTo(score.topLogprobs()[1]);
        }
        for (int rows : new int[] {1, 5, 16}) {
            EngineLimits limits =
                    Limits.small().queue(1, 1).chunks(40, 1).scoreRows(rows).build();
            Transcript chunked = run(limits, scored(prompt, 3, 5));
            same(chunked.promptScores(), whole.promptScores());
            same(chunked.scores(), whole.scores());
        }
    }

    @Test
    void aPromptCanBeScoredWithoutNewTokens() {
        Transcript read = run(Limits.small().build(), scored(prompt(2, 50), 0, 0));
        assertThat(read.promptScores()).hasSize(49);
        assertThat(read.promptScores())
                .allSatisfy(score -> assertThat(score.topIds()).isEmpty());
        assertThat(read.ids()).isEmpty();
        assertThat(read.finished().reason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void theEdgesOfEchoAreServed() {
        EngineLimits limits = Limits.small().build();
        Transcript oneToken = run(limits, scored(new int[] {5}, 2, 0));
        assertThat(oneToken.promptScores()).isEmpty();
        assertThat(oneToken.finished().reason()).isEqualTo(FinishReason.LENGTH);
        Transcript oneTokenContinued = run(limits, scored(new int[] {5}, 2, 3));
        assertThat(oneTokenContinued.ids()).hasSize(3);
        Transcript nothing = run(limits, SequenceRequest.of(prompt(3, 9), SamplingParameters.greedy(), 0));
        assertThat(nothing.ids()).isEmpty();
        assertThat(nothing.finished().reason()).isEqualTo(FinishReason.LENGTH);
        Transcript full = run(limits, scored(prompt(4, 400), 1, 0));
        assertThat(full.promptScores()).as("a prompt as long as the context").hasSize(399);
    }

    @Test
    void scoredPromptsTakeNothingFromThePrefixCache() {
        EngineLimits limits = Limits.small().build();
        int[] prompt = prompt(5, 60);
        try (EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, 400), limits, IdleWork.NONE, () -> {}).start()) {
            Transcript first = Transcript.read(loop.submit(scored(prompt, 1, 4)));
            Transcript second = Transcript.read(loop.submit(scored(prompt, 1, 4)));
            same(second.promptScores(), first.promptScores());
            assertThat(second.finished().cachedPromptTokens()).isZero();
            Transcript unscored =
                    Transcript.read(loop.submit(SequenceRequest.of(prompt, SamplingParameters.greedy(), 4)));
            assertThat(unscored.finished().cachedPromptTokens()).isEqualTo(56);
            assertThat(unscored.ids()).isEqualTo(first.ids());
        }
    }

    @Test
    void preemptedScoringIsSentOnceAndWhole() {
        EngineLimits limits = Limits.small().chunks(64, 64).scoreRows(4).build();
        List<Transcript> calm = new ArrayList<>();
        List<SequenceRequest> requests = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            requests.add(scored(prompt(10 + i, 60), 2, 60));
            calm.add(run(limits, requests.get(i)));
        }
        try (EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, 100), limits, IdleWork.NONE, () -> {}).start()) {
            List<Transcript> squeezed = Transcript.readAll(loop.submit(requests));
            assertThat(loop.statistics().preemptions()).isPositive();
            for (int i = 0; i < 5; i++) {
                same(squeezed.get(i).promptScores(), calm.get(i).promptScores());
                same(squeezed.get(i).scores(), calm.get(i).scores());
            }
        }
    }

    @Test
    void nanInAScoredPromptFailsTheRequest() {
        int[] prompt = prompt(6, 30);
        prompt[10] = HashOps.POISON;
        Transcript read = run(Limits.small().build(), scored(prompt, 1, 0));
        assertThat(read.failure().code()).isEqualTo(ErrorCode.NON_FINITE_LOGITS);
        assertThat(read.failure()).hasMessageContaining("position 10");
    }

    @Test
    void penaltiesWaitForAFreeHistory() {
        EngineLimits limits = Limits.small().historySlots(2).build();
        SamplingParameters penalised =
                new SamplingParameters(0, 0, 1, 0, 1, 1.5f, 0, 0, Map.of(), List.of(), 0, false, -1);
        List<SequenceRequest> requests = new ArrayList<>();
        List<List<Integer>> alone = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            requests.add(SequenceRequest.of(prompt(20 + i, 20), penalised, 40));
            alone.add(run(limits, requests.get(i)).ids());
        }
        try (EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, limits, 400), limits, IdleWork.NONE, () -> {}).start()) {
            assertThat(Transcript.readAll(loop.submit(requests)).stream().map(Transcript::ids))
                    .isEqualTo(alone);
        }
    }
}
