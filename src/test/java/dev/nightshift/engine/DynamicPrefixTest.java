package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.model.RopeConfig;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keys of dynamic NTK depend on the prompt's length once it is beyond the original one. */
@Timeout(60)
class DynamicPrefixTest {
    private static final EngineLimits LIMITS = Limits.small().build();

    @Test
    void promptsBeyondTheOriginalLengthShareNoPrefix() {
        HashOps ops = new HashOps();
        RopeConfig dynamic = new RopeConfig(10_000, new RopeConfig.Dynamic(2, 64));
        try (EngineLoop loop =
                new EngineLoop(ops, HashOps.model(ops, LIMITS, 400, dynamic), LIMITS, IdleWork.NONE, () -> {})) {
            loop.start();
            for (int round = 0; round < 2; round++) {
                assertThat(cached(loop, 40, 64)).isEqualTo(round == 0 ? 0 : 60);
                assertThat(cached(loop, 41, 65)).isZero();
            }
        }
    }

    private static int cached(EngineLoop loop, long seed, int length) {
        int[] prompt = new Random(seed).ints(length, 0, HashOps.POISON).toArray();
        SequenceRequest request = SequenceRequest.of(prompt, SamplingParameters.greedy(), 5);
        return Transcript.read(loop.submit(request)).finished().cachedPromptTokens();
    }
}
