package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.OpenModel;
import dev.nightshift.tensor.TensorOps;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a step must keep so that it can be replayed as a graph: the same calls on the same buffers, and no garbage. */
class StepContractTest {

    /** Every call on the backend as text: operation, addresses and shapes. */
    private static TensorOps recording(TensorOps inner, List<String> calls) {
        return (TensorOps) Proxy.newProxyInstance(
                TensorOps.class.getClassLoader(), new Class<?>[] {TensorOps.class}, (proxy, method, arguments) -> {
                    calls.add(method.getName() + Arrays.toString(arguments));
                    try {
                        return method.invoke(inner, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    private static SequenceRequest request(int seed, SamplingParameters sampling, int adapter) {
        int[] prompt =
                IntStream.range(0, 9 + seed).map(i -> (i * 7 + seed) % 50).toArray();
        return new SequenceRequest(
                prompt,
                sampling,
                40,
                new AdapterBinding(adapter, "digest" + adapter, () -> {}),
                "",
                -1,
                64,
                Optional.empty(),
                () -> {});
    }

    /** Calls of each step with {@code sequences} decoding rows, in order. */
    private static List<List<String>> decodeSteps(List<SequenceRequest> requests) {
        HashOps hash = new HashOps();
        List<String> calls = new ArrayList<>();
        TensorOps ops = recording(hash, calls);
        EngineLimits limits = Limits.small().build();
        EngineModel model = HashOps.model(hash, limits, 400);
        EngineModel recorded = new EngineModel(HashOps.llama(ops, limits), model.kv(), model.digest(), model.endIds());
        List<List<String>> steps = new ArrayList<>();
        try (EngineLoop loop = new EngineLoop(ops, recorded, limits, IdleWork.NONE, () -> {})) {
            calls.clear();
            List<Sequence> sequences = loop.submit(requests);
            loop.start();
            Transcript.readAll(sequences);
        }
        List<String> step = new ArrayList<>();
        for (String call : calls) {
            step.add(call);
            if (call.startsWith("readback")) {
                steps.add(List.copyOf(step));
                step.clear();
            }
        }
        assertThat(calls).as("memory is taken at start only").noneMatch(call -> call.startsWith("allocate"));
        assertThat(step).as("a step ends with its readback").isEmpty();
        // The prompts take the first step; the last one may find fewer sequences.
        return steps.subList(1, steps.size() - 1);
    }

    @Test
    void stepsOfOneBucketMakeTheSameCallsOnTheSameBuffers() {
        SamplingParameters hot = new SamplingParameters(
                1.1f, 5, 0.9f, 0.01f, 1.2f, 0.3f, 0.2f, 99, Map.of(3, -2f), List.of(), 5, false, -1);
        List<List<String>> steps = decodeSteps(
                List.of(request(1, SamplingParameters.greedy(), -1), request(2, hot, 1), request(3, hot, 2)));
        assertThat(steps).hasSizeGreaterThan(30);
        assertThat(new HashSet<>(steps)).as("different steps").hasSize(1);
        assertThat(steps.getFirst()).anyMatch(call -> call.startsWith("ropeAndAttention"));
        assertThat(steps.getFirst().stream().filter(call -> call.startsWith("readback")))
                .hasSize(1);
        assertThat(steps.getFirst().stream().filter(call -> call.startsWith("upload")))
                .hasSize(2);
    }

    @Test
    void theEngineMakesNoGarbagePerToken() {
        EngineLimits limits = Limits.small().context(4000).build();
        SilentOps ops = new SilentOps();
        EngineModel model = new EngineModel(HashOps.llama(ops, limits), HashOps.cache(ops, 4096), "digest", new int[0]);
        // A token leaves as an event and a score: 48 bytes. Keys of full blocks (one in four tokens here) and the
        // sequence's
        // own list of tokens are what it leaves in the engine.
        assertThat(bytesPerToken(ops, model, limits, 8, 300, 6)).isLessThan(160);
    }

    /** Slow, as every kernel must be compiled first: interpreted, each vector is an object. */
    @Test
    @Tag("slow")
    void aStepOnTheCpuMakesNoGarbageEither() {
        EngineLimits limits = Limits.small().context(1000).build();
        try (OpenModel model = OpenModel.open(
                "cpu",
                GoldenTensors.shared("models", "nightshift-tiny"),
                limits.batchLimits(OpenModel.BLOCK_TOKENS),
                512)) {
            EngineModel engine = new EngineModel(model.llama(), model.kv(), "digest", new int[0]);
            double bytes = bytesPerToken(model.ops(), engine, limits, 4, 200, 20);
            System.err.printf("engine thread on the CPU backend: %.0f bytes per token%n", bytes);
            assertThat(bytes).isLessThan(256);
        }
    }

    /** Bytes that the engine's thread allocates per new token once everything has been planned. */
    private static double bytesPerToken(
            TensorOps ops, EngineModel model, EngineLimits limits, int sequences, int tokens, int rounds) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (EngineLoop loop = new EngineLoop(ops, model, limits, IdleWork.NONE, () -> {}).start()) {
            long best = Long.MAX_VALUE;
            // The first rounds plan buckets and are interpreted, where nothing is allocated on the stack.
            for (int round = 0; round < rounds; round++) {
                long before = threads.getThreadAllocatedBytes(loop.threadId());
                List<Sequence> running = new ArrayList<>();
                for (int i = 0; i < sequences; i++) {
                    int[] prompt = {1, 2, 3, round, i};
                    running.add(loop.submit(SequenceRequest.of(prompt, SamplingParameters.greedy(), tokens)));
                }
                Transcript.readAll(running);
                best = Math.min(best, threads.getThreadAllocatedBytes(loop.threadId()) - before);
            }
            return (double) best / (sequences * tokens);
        }
    }
}
