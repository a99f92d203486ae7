package dev.nightshift.adapter;

import dev.nightshift.engine.Sequence;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.OpenModel;
import dev.nightshift.model.TokenBatch;
import dev.nightshift.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What adapters cost, on the engine without HTTP: {@code make bench BENCH=adapters}. Adapters are BF16 on all seven linears; those of
 * one rank have the same content under different names, which neither the slots nor the kernels know.
 *
 * <p>The floor of a step is by bytes (all weights of a decode step and each distinct adapter are read once): {@code (base +
 * adapters) / base}.
 */
final class AdapterBenchmark implements AutoCloseable {
    private static final int ROWS = 16;
    private static final int CONTEXT = 64;
    private static final int STEPS = 4;
    private static final int STEP_ROUNDS = 6;
    private static final int[] RANKS = {8, 16, 64};
    private static final int[] DISTINCT = {1, 2, 4, 8, 16};
    private static final double NF4_BYTES = 4.127 / 8;
    private static final int SLOTS = 8;
    private static final int REQUESTS = 48;
    private static final int ROUNDS = 3;
    private static final int PROMPT = 32;
    private static final int OUTPUT = 8;

    private final Path model;
    private final Path root;

    private AdapterBenchmark(Path model) throws IOException {
        this.model = model;
        this.root = Files.createTempDirectory("adapters");
    }

    /** Arguments: model folder; {@code steps} or {@code slots}, both by default. */
    public static void main(String[] arguments) throws Exception {
        List<String> parts = List.of(arguments).subList(1, arguments.length);
        try (AdapterBenchmark benchmark = new AdapterBenchmark(Path.of(arguments[0]))) {
            if (parts.isEmpty() || parts.contains("steps")) {
                benchmark.steps();
            }
            if (parts.isEmpty() || parts.contains("slots")) {
                benchmark.slots();
            }
        }
    }

    private AdapterScene open(int slots, int rankSum) {
        return AdapterScene.open(root, model, slots, (long) rankSum << 20, 1L << 32, Set.of());
    }

    /** One written, the others links to it. */
    private void write(ModelConfig config, int rank, int count) throws IOException {
        Path first = root.resolve("r%d-0".formatted(rank));
        AdapterLoadTest.write(first, config, rank, DType.BF16, List.of(0, 1, 2, 3, 4, 5, 6), rank);
        for (int i = 1; i < count; i++) {
            Path folder = Files.createDirectories(root.resolve("r%d-%d".formatted(rank, i)));
            for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.createLink(folder.resolve(file), first.resolve(file));
            }
        }
    }

    private static long parameters(ModelConfig config) {
        long linears = (long) config.vocabSize() * config.hiddenSize() * 4; // the head has 16 bits, a linear about 4
        for (int target = 0; target < LoraTargets.embedding(config.layers()); target++) {
            linears += (long) AdapterModules.inputs(config, target) * AdapterModules.outputs(config, target);
        }
        return linears;
    }

    private static long adapterBytes(ModelConfig config, int rank) {
        long values = 0;
        for (int target = 0; target < LoraTargets.embedding(config.layers()); target++) {
            values += AdapterModules.inputs(config, target) + AdapterModules.outputs(config, target);
        }
        return 2 * values * rank;
    }

    // ---- step time

    private void steps() throws Exception {
        double bare;
        try (OpenModel alone =
                OpenModel.open("cpu", model, AdapterScene.limits().batchLimits(16), 128)) {
            bare = bestStepMillis(alone);
        }
        try (AdapterScene scene = open(ROWS, 16 * 64)) {
            ModelConfig config = scene.model.checkpoint().config();
            double baseBytes = parameters(config) * NF4_BYTES;
            double empty = bestStepMillis(scene.model);
            System.out.printf(
                    "%d rows, context %d: without slots %.1f ms, with empty slots %.1f ms%n",
                    ROWS, CONTEXT, bare, empty);
            for (int rank : RANKS) {
                write(config, rank, ROWS);
                scene.registry.scan();
                int[] slots = place(scene, rank);
                measure(scene, rank, slots, baseBytes);
            }
            System.out.println("once more, as the slots' memory was touched for the first time:");
            for (int rank : RANKS) {
                place(scene, rank);
            }
        }
    }

    /** Rounds over all mixes, as the machine's speed changes with time; the best step of each counts. */
    private static void measure(AdapterScene scene, int rank, int[] slots, double baseBytes) {
        List<int[]> mixes = new ArrayList<>();
        mixes.add(new int[] {-1});
        int[] one = new int[ROWS];
        Arrays.fill(one, 0, ROWS - 1, -1);
        one[ROWS - 1] = slots[0];
        mixes.add(one);
        for (int distinct : DISTINCT) {
            int[] rows = new int[ROWS];
            Arrays.setAll(rows, row -> slots[row * distinct / ROWS]);
            mixes.add(rows);
        }
        double[] best = new double[mixes.size()];
        Arrays.fill(best, Double.MAX_VALUE);
        for (int round = 0; round < STEP_ROUNDS; round++) {
            for (int mix = 0; mix < best.length; mix++) {
                best[mix] = Math.min(best[mix], stepMillis(scene.model, mixes.get(mix)));
            }
        }
        System.out.printf(
                "rank %d: base rows beside %d resident adapters %.1f ms, 15 base rows and one %.1f ms (%.2f)%n",
                rank, ROWS, best[0], best[1], best[1] / best[0]);
        for (int i = 0; i < DISTINCT.length; i++) {
            double floor =
                    1 + DISTINCT[i] * adapterBytes(scene.model.checkpoint().config(), rank) / baseBytes;
            double millis = best[i + 2];
            System.out.printf(
                    "rank %d, %d distinct: %.1f ms, %.2f of the base's; floor %.2f%n",
                    rank, DISTINCT[i], millis, millis / best[0], floor);
        }
    }

    /** Loads and places all of a rank, and says how long one took. */
    private static int[] place(AdapterScene scene, int rank) throws InterruptedException {
        int[] slots = new int[ROWS];
        double disk = Double.MAX_VALUE;
        double host = Double.MAX_VALUE;
        List<AdapterLease> leases = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            long start = System.nanoTime();
            AdapterLease lease = scene.registry.acquire("r%d-%d".formatted(rank, i));
            long read = System.nanoTime();
            while ((slots[i] = lease.slot()) == AdapterLease.WAITING) {
                Thread.sleep(1);
            }
            disk = Math.min(disk, (read - start) / 1e6);
            host = Math.min(host, (System.nanoTime() - read) / 1e6);
            leases.add(lease);
        }
        System.out.printf(
                "rank %d, %.1f MB: from disk to host memory %.1f ms, from host memory to a slot %.2f ms (best of %d)%n",
                rank,
                scene.registry
                                .find("r%d-0".formatted(rank))
                                .orElseThrow()
                                .version()
                                .bytes()
                        / 1e6,
                disk,
                host,
                ROWS);
        leases.forEach(AdapterLease::close);
        return slots;
    }

    private static double bestStepMillis(OpenModel model) {
        double best = Double.MAX_VALUE;
        for (int round = 0; round < STEP_ROUNDS; round++) {
            best = Math.min(best, stepMillis(model, -1));
        }
        return best;
    }

    private static double stepMillis(OpenModel model, int... adapters) {
        int[] slots = new int[ROWS];
        Arrays.setAll(slots, row -> adapters[Math.min(row, adapters.length - 1)]);
        double[] millis = new double[STEPS];
        for (int i = -2; i < STEPS; i++) {
            TokenBatch batch = model.llama().batch(ROWS, ROWS, ROWS);
            batch.clear();
            int count = CONTEXT / OpenModel.BLOCK_TOKENS;
            for (int row = 0; row < ROWS; row++) {
                int first = row * count;
                int[] blocks = new int[count];
                Arrays.setAll(blocks, block -> first + block);
                batch.blocks(row, blocks, count);
                batch.row(row, 5 + row, CONTEXT - 1, row, (first + count) * OpenModel.BLOCK_TOKENS - 1, slots[row], 1);
                batch.logitRow(row, row, slots[row]);
            }
            long start = System.nanoTime();
            model.llama().forward(batch, model.kv());
            if (i >= 0) {
                millis[i] = (System.nanoTime() - start) / 1e6;
            }
        }
        Arrays.sort(millis);
        return millis[0]; // what others take from the machine only adds
    }

    // ---- more adapters than slots

    private void slots() throws Exception {
        try (AdapterScene scene = open(SLOTS, 160)) {
            write(scene.model.checkpoint().config(), 16, 2 * SLOTS);
            scene.registry.scan();
            scene.engine();
            for (int clients : new int[] {4, SLOTS}) {
                List<Double> within = new ArrayList<>();
                List<Double> twice = new ArrayList<>();
                load(scene, clients, SLOTS, new Random(0));
                load(scene, clients, 2 * SLOTS, new Random(0)); // compiles, and fills host memory
                long before = scene.slots.placements();
                for (int round = 0; round < ROUNDS; round++) {
                    within.addAll(load(scene, clients, SLOTS, new Random(2 * round + 1)));
                    twice.addAll(load(scene, clients, 2 * SLOTS, new Random(2 * round + 2)));
                }
                System.out.printf(
                        "%d clients, %d slots, rank 16: time to first token of %d adapters p50 %.0f p99 %.0f ms, of %d adapters p50 %.0f p99 %.0f ms: p99 %.2f times; %d placements%n",
                        clients,
                        SLOTS,
                        SLOTS,
                        quantile(within, 0.5),
                        quantile(within, 0.99),
                        2 * SLOTS,
                        quantile(twice, 0.5),
                        quantile(twice, 0.99),
                        quantile(twice, 0.99) / quantile(within, 0.99),
                        scene.slots.placements() - before);
            }
        }
    }

    private static double quantile(List<Double> values, double at) {
        List<Double> sorted = values.stream().sorted().toList();
        return sorted.get((int) Math.ceil(at * sorted.size()) - 1);
    }

    /** Milliseconds to the first token of each request of a closed loop; adapters are drawn uniformly, prompts are all new. */
    private static List<Double> load(AdapterScene scene, int clients, int adapters, Random random) throws Exception {
        List<Callable<Double>> calls = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            int[] prompt = random.ints(PROMPT, 10, 40_000).toArray();
            String name = "r16-" + random.nextInt(adapters);
            calls.add(() -> request(scene, name, prompt));
        }
        List<Double> times = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(clients)) {
            for (Future<Double> time : threads.invokeAll(calls)) {
                times.add(time.get());
            }
        }
        return times;
    }

    private static double request(AdapterScene scene, String name, int[] prompt) throws InterruptedException {
        long start = System.nanoTime();
        Sequence sequence = scene.start(name, prompt, OUTPUT);
        TokenEvent first = sequence.take(Duration.ofMinutes(1));
        double millis = (System.nanoTime() - start) / 1e6;
        if (!(first instanceof TokenEvent.Token)) {
            throw new IllegalStateException("first event " + first);
        }
        AdapterScene.read(sequence);
        return millis;
    }

    @Override
    public void close() throws IOException {
        DurableFiles.deleteTree(root);
    }
}
