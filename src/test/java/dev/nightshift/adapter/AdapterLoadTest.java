package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.engine.Sequence;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters that are drawn: all ranks in one step, and a thousand names over a few slots. */
class AdapterLoadTest {
    private static final long MIB = 1 << 20;
    private static final int COLLECTIONS = 4;
    private static final int[] RANKS = {1, 2, 3, 8, 64, 255, 256};

    @TempDir
    Path root;

    private static Tensor drawn(Random random, DType dtype, double size, long... axes) {
        Shape shape = Shape.of(axes);
        Tensor tensor = new Tensor(Arena.ofAuto().allocate(shape.elements() * dtype.bytes(), 8), dtype, shape);
        for (long i = 0; i < shape.elements(); i++) {
            float value = (float) (random.nextGaussian() * size);
            switch (dtype) {
                case F32 -> tensor.data().setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case BF16 -> tensor.data().setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(value));
                case F16 -> tensor.data().setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case I64, I32, U8 -> throw new IllegalStateException("factors are floats");
            }
        }
        return tensor;
    }

    /** Factors of some projections of all layers. */
    static void write(Path folder, ModelConfig config, int rank, DType dtype, List<Integer> projections, long seed)
            throws IOException {
        Random random = new Random(seed);
        List<LoraWeights.Factors> factors = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            for (int projection : projections) {
                int target = LoraTargets.of(layer, projection);
                int in = AdapterModules.inputs(config, target);
                int out = AdapterModules.outputs(config, target);
                factors.add(new LoraWeights.Factors(
                        target,
                        drawn(random, dtype, 1 / Math.sqrt(in), rank, in),
                        drawn(random, dtype, 0.5 / Math.sqrt(rank), out, rank),
                        1,
                        null));
            }
        }
        Files.createDirectories(folder);
        List<String> names =
                projections.stream().map(AdapterModules.PROJECTIONS::get).toList();
        PeftFolder.write(
                folder,
                new PeftFolder.Description("base", rank, rank, false, 0, names),
                new LoraWeights(factors, Map.of()),
                config);
    }

    @Test
    void ranksFromOneTo256InThreeTypesShareAStepAndEachRowIsWhatItIsAlone() throws IOException {
        DType[] types = {DType.F32, DType.F16, DType.BF16};
        List<Integer> all = List.of(0, 1, 2, 3, 4, 5, 6);
        try (AdapterScene scene = AdapterScene.open(root, RANKS.length, 32 * MIB, 32 * MIB)) {
            ModelConfig config = scene.model.checkpoint().config();
            int[] slots = new int[RANKS.length + 1];
            slots[0] = -1;
            for (int i = 0; i < RANKS.length; i++) {
                write(root.resolve("rank" + RANKS[i]), config, RANKS[i], types[i % 3], all, i);
            }
            scene.registry.scan();
            for (int i = 0; i < RANKS.length; i++) {
                slots[i + 1] = scene.registry.acquire("rank" + RANKS[i]).slot();
            }
            int[] ids = AdapterScene.prompt(1, 9);
            float[] mixed = scene.model.logits(ids, slots);
            float[] base = scene.model.logits(ids, -1);
            for (int i = 0; i < slots.length; i++) {
                float[] solo = scene.model.logits(ids, slots[i]);
                float[] part = Arrays.copyOfRange(mixed, i * solo.length, (i + 1) * solo.length);
                assertThat(part).as("slot %d", slots[i]).isEqualTo(solo);
                assertThat(Arrays.equals(solo, base)).as("slot %d", slots[i]).isEqualTo(i == 0);
            }
        }
    }

    private record Pending(int adapter, Sequence sequence) {}

    @Test
    @Tag("slow")
    void aThousandAdaptersAndTenThousandRequestsGiveNoWrongAnswerAndMemoryStaysFlat() throws IOException {
        int adapters = 1000;
        int requests = 10_000;
        int tokens = 2;
        int[] prompt = AdapterScene.prompt(3, 20);
        try (AdapterScene scene = AdapterScene.open(root, 8, MIB, 4 * MIB)) {
            ModelConfig config = scene.model.checkpoint().config();
            for (int i = 0; i < adapters; i++) {
                write(
                        root.resolve("a" + i),
                        config,
                        1 + i % 16,
                        DType.BF16,
                        List.of(LoraTargets.Q, LoraTargets.DOWN),
                        i);
            }
            scene.registry.scan();
            assertThat(scene.registry.list()).hasSize(adapters);
            List<List<Integer>> golden = new ArrayList<>();
            for (int i = 0; i < adapters; i++) {
                golden.add(scene.oracle("a" + i, prompt, tokens));
            }
            assertThat(golden.stream().distinct().count())
                    .as("different answers")
                    .isGreaterThan(100);
            int[] order = zipf(adapters, requests);
            ArrayDeque<Pending> pending = new ArrayDeque<>();
            long[] heap = new long[3];
            long[] resident = new long[3];
            long placed = scene.slots.placements();
            long read = scene.registry.statistics().loads();
            for (int i = 0; i < requests; i++) {
                if (pending.size() == 64) {
                    check(pending.removeFirst(), golden);
                }
                pending.add(new Pending(order[i], scene.start("a" + order[i], prompt, tokens)));
                assertThat(scene.registry.hostBytes()).isLessThan(8 * MIB);
                // the first thousand fill the caches
                int at = List.of(requests / 10, requests / 2, requests - 1).indexOf(i);
                if (at >= 0) {
                    heap[at] = usedHeap();
                    resident[at] = residentKilobytes();
                }
            }
            pending.forEach(each -> check(each, golden));
            double slotHits = 1 - (double) (scene.slots.placements() - placed) / requests;
            double hostHits = 1 - (double) (scene.registry.statistics().loads() - read) / requests;
            System.err.printf(
                    "%,d requests over %,d adapters, %d slots, wrong answers 0; found in a slot %.3f, not read from disk"
                            + " %.3f; heap after a collection at request %,d %,d and %,d: %s bytes; resident %s kB%n",
                    requests,
                    adapters,
                    scene.slots.count(),
                    slotHits,
                    hostHits,
                    requests / 10,
                    requests / 2,
                    requests,
                    Arrays.toString(heap),
                    Arrays.toString(resident));
            assertThat(heap[2] - heap[1]).as("growth over half of the requests").isLessThan(2 * MIB);
            assertThat(heap[1] - heap[0]).as("growth before").isLessThan(4 * MIB);
            assertThat(scene.slots.usedBytes()).isLessThanOrEqualTo(MIB);
        }
    }

    private static void check(Pending pending, List<List<Integer>> golden) {
        assertThat(AdapterScene.read(pending.sequence()))
                .as("a%d", pending.adapter())
                .isEqualTo(golden.get(pending.adapter()));
    }

    /** What is left after several collections: what frees memory outside the heap is itself freed by a later one. */
    private static long usedHeap() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < COLLECTIONS; i++) {
            System.gc();
            LockSupport.parkNanos(50_000_000);
            least = Math.min(
                    least,
                    Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
        }
        return least;
    }

    /** Of the whole process: means something with a heap of fixed size that is committed at start. 0 where the system says nothing. */
    private static long residentKilobytes() throws IOException {
        Path status = Path.of("/proc/self/status");
        return Files.exists(status)
                ? Files.readAllLines(status).stream()
                        .filter(line -> line.startsWith("VmRSS:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .findFirst()
                        .orElse(0)
                : 0;
    }

    /** Adapter numbers by Zipf's law with exponent 1, from a fixed seed. */
    private static int[] zipf(int adapters, int requests) {
        double[] sums = new double[adapters];
        double sum = 0;
        for (int i = 0; i < adapters; i++) {
            sum += 1.0 / (i + 1);
            sums[i] = sum;
        }
        Random random = new Random(20261125);
        double all = sum;
        return random.doubles(requests)
                .mapToInt(each -> Math.min(adapters - 1, -Arrays.binarySearch(sums, each * all) - 1))
                .toArray();
    }
}
