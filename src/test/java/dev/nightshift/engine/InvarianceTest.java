package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.OpenModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A real model on the CPU backend: tokens and the bits of their log-probabilities do not depend on company or history. */
class InvarianceTest {

    private static EngineLimits limits(int chunk) {
        return Limits.small().context(512).chunks(chunk, 64).build();
    }

    private static OpenModel open(EngineLimits limits) {
        return OpenModel.open(
                "cpu",
                GoldenTensors.shared("models", "nightshift-tiny"),
                limits.batchLimits(OpenModel.BLOCK_TOKENS),
                600);
    }

    private static EngineLoop engine(OpenModel model, EngineLimits limits) {
        EngineModel engine = new EngineModel(model.llama(), model.kv(), "tiny", new int[] {2});
        return new EngineLoop(model.ops(), engine, limits, IdleWork.NONE, () -> {}).start();
    }

    /** 64 requests of mixed lengths; a third draws, with penalties, bias and filters. */
    private static List<SequenceRequest> requests() {
        Random random = new Random(20260115);
        List<SequenceRequest> requests = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            int[] prompt = random.ints(1 + random.nextInt(i % 8 == 0 ? 200 : 40), 3, 4096)
                    .toArray();
            SamplingParameters sampling = i % 3 != 0
                    ? new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, false, 2)
                    : new SamplingParameters(
                            0.8f, 40, 0.95f, 0.01f, 1.1f, 0.2f, 0.1f, i, Map.of(17, 2f), List.of(), 3, false, 2);
            requests.add(SequenceRequest.of(prompt, sampling, 3 + random.nextInt(14)));
        }
        return requests;
    }

    @Test
    void companyChunksAndPrefixHitsChangeNoBit() {
        List<SequenceRequest> requests = requests();
        List<Transcript> alone = new ArrayList<>();
        EngineLimits whole = limits(256);
        try (OpenModel model = open(whole);
                EngineLoop loop = engine(model, whole)) {
            requests.forEach(request -> alone.add(Transcript.read(loop.submit(request))));
        }
        EngineLimits chunked = limits(64);
        try (OpenModel model = open(chunked);
                EngineLoop loop = engine(model, chunked)) {
            same(Transcript.readAll(loop.submit(requests)), alone, "64 at once, prompts in chunks of 64");
            same(Transcript.readAll(loop.submit(requests)), alone, "again, with prefix hits");
            assertThat(loop.statistics().prefixHitTokens()).isPositive();
        }
    }

    private static void same(List<Transcript> ours, List<Transcript> alone, String how) {
        for (int i = 0; i < alone.size(); i++) {
            assertThat(ours.get(i).scores())
                    .as("%s, request %d", how, i)
                    .usingRecursiveComparison()
                    .isEqualTo(alone.get(i).scores());
        }
    }
}
