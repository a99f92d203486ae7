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
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
    private static final int STEP_ROUNDS = 24;
    private static final int BASE_ROUNDS = 150;
    /** Steps that compile, before any counts. */
    private static final int WARM_STEPS = 12;

    private static final int[] RANKS = {8, 16, 64};
    private static final int[] DISTINCT = {1, 2, 4, 8, 16};
    private static final double NF4_BYTES = 4.127 / 8;
    private static final int SLOTS = 8;
    private static final int REQUESTS = 48;
    private static final int ROUNDS = 5;
    private static final int PROMPT = 32;
    private static final int OUTPUT = 8;

    private final Path model;
    private final Path root;

    private AdapterBenchmark(Path model) throws IOException {
        this.model = model;
        this.root = Files.createTempDirectory("adapters");
    }

    /** Arguments: model folder; {@code steps}, {@code places}, {@code slots} (with a number of clients), the first and last by default. */
    public static void main(String[] arguments) throws Exception {
        List<String> parts = List.of(arguments).subList(1, arguments.length);
        Path model = Path.of(arguments[0]);
        // a folder of adapters for each part
        if (parts.isEmpty() || parts.contains("steps")) {
            try (AdapterBenchmark benchmark = new AdapterBenchmark(model)) {
                benchmark.steps();
            }
        }
        if (parts.contains("places")) {
            try (AdapterBenchmark benchmark = new AdapterBenchmark(model)) {
                benchmark.places();
            }
        }
        if (parts.isEmpty() || parts.contains("slots")) {
            try (AdapterBenchmark benchmark = new AdapterBenchmark(model)) {
                benchmark.slots(parts.size() > 1 ? new int[] {Integer.parseInt(parts.get(1))} : new int[] {4, SLOTS});
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

    /** All ranks lie in slots at once, so that all mixes are measured in the same rounds. */
    private void steps() throws Exception {
        try (AdapterScene scene = open(ROWS * RANKS.length, (8 + 16 + 64) * ROWS);
                OpenModel bare =
                        OpenModel.open("cpu", model, AdapterScene.limits().batchLimits(16), 128)) {
            ModelConfig config = scene.model.checkpoint().config();
            List<int[]> slots = new ArrayList<>();
            for (int rank : RANKS) {
                write(config, rank, ROWS);
                scene.registry.scan();
                slots.add(place(scene, rank));
            }
            for (int i = 0; i < WARM_STEPS; i++) {
                stepMillis(bare, -1);
                stepMillis(scene.model, i % 2 == 0 ? -1 : slots.getFirst()[0]);
            }
            bases(bare, scene.model);
            mixes(scene.model, slots, parameters(config) * NF4_BYTES);
        }
    }

    /** Base rows only, in a model without slots and in one with 48 resident adapters, in turns whose order alternates. */
    private static void bases(OpenModel bare, OpenModel slots) {
        List<Double> logs = new ArrayList<>();
        List<Double> without = new ArrayList<>();
        for (int round = 0; round < BASE_ROUNDS; round++) {
            double[] millis = new double[2];
            for (int turn = 0; turn < 2; turn++) {
                int which = (round + turn) % 2;
                millis[which] = stepMillis(which == 0 ? bare : slots, -1);
            }
            without.add(millis[0]);
            logs.add(Math.log(millis[1] / millis[0]));
        }
        System.out.printf(
                "%d base rows, context %d: median %.1f ms without slots; beside %d resident adapters %s of it, %d pairs%n",
                ROWS, CONTEXT, quantile(without, 0.5), ROWS * RANKS.length, interval(logs), BASE_ROUNDS);
    }

    /** Mean ratio with its 95 % confidence interval, the tenth of pairs at either end left out, where the machine was taken away. */
    private static String interval(List<Double> logs) {
        List<Double> kept = logs.stream()
                .sorted()
                .skip(logs.size() / 10)
                .limit(logs.size() - 2 * (logs.size() / 10))
                .toList();
        double mean = kept.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
        double variance =
                kept.stream().mapToDouble(each -> (each - mean) * (each - mean)).sum() / (kept.size() - 1);
        double half = 1.96 * Math.sqrt(variance / kept.size());
        return "%.3f (%.3f to %.3f)".formatted(Math.exp(mean), Math.exp(mean - half), Math.exp(mean + half));
    }

    /** A mix is one step's rows. */
    private record Mix(int rank, int distinct, int[] rows) {}

    /** One step of every mix a round, each round in another order, each beside a base step of the same round. */
    private static void mixes(OpenModel model, List<int[]> slots, double baseBytes) {
        List<Mix> mixes = new ArrayList<>();
        for (int i = 0; i < RANKS.length; i++) {
            int[] all = slots.get(i);
            int[] one = new int[ROWS];
            Arrays.fill(one, -1);
            one[ROWS / 2] = all[0];
            mixes.add(new Mix(RANKS[i], 0, one));
            for (int distinct : DISTINCT) {
                int[] rows = new int[ROWS];
                Arrays.setAll(rows, row -> all[row % distinct]);
                mixes.add(new Mix(RANKS[i], distinct, rows));
            }
        }
        Map<Mix, List<Double>> logs = new HashMap<>();
        List<Double> base = new ArrayList<>();
        List<Mix> order = new ArrayList<>(mixes);
        for (int round = 0; round < STEP_ROUNDS; round++) {
            Collections.shuffle(order, new Random(round));
            for (int i = 0; i < order.size(); i++) {
                if (i % 3 == 0) {
                    base.add(stepMillis(model, -1));
                }
                double millis = stepMillis(model, order.get(i).rows());
                logs.computeIfAbsent(order.get(i), mix -> new ArrayList<>()).add(Math.log(millis / base.getLast()));
            }
        }
        System.out.printf("%d rounds, base step median %.1f ms%n", STEP_ROUNDS, quantile(base, 0.5));
        for (Mix mix : mixes) {
            double floor = 1
                    + Math.max(1, mix.distinct())
                            * adapterBytes(model.checkpoint().config(), mix.rank())
                            / baseBytes;
            String rows = mix.distinct() == 0 ? "15 base rows and one adapted" : mix.distinct() + " distinct";
            System.out.printf(
                    "rank %d, %s: %s of the base step; floor %.2f%n", mix.rank(), rows, interval(logs.get(mix)), floor);
        }
    }

    /** Loads and places all of a rank, and says how long one took. */
    private static int[] place(AdapterScene scene, int rank) throws InterruptedException {
        int[] slots = new int[ROWS];
        double disk = Double.MAX_VALUE;
        double host = Double.MAX_VALUE;
        double longest = 0;
        List<AdapterLease> leases = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            long start = System.nanoTime();
            AdapterLease lease = scene.registry.acquire("r%d-%d".formatted(rank, i));
            long read = System.nanoTime();
            while ((slots[i] = lease.slot()) == AdapterLease.WAITING) {
                Thread.sleep(1);
            }
            disk = Math.min(disk, (read - start) / 1e6);
            double placing = (System.nanoTime() - read) / 1e6;
            host = Math.min(host, placing);
            longest = Math.max(longest, placing);
            leases.add(lease);
        }
        System.out.printf(
                "rank %d, %.1f MB: from disk to host memory %.1f ms, from host memory to a slot %.2f ms (best of %d; longest %.1f)%n",
                rank,
                scene.registry
                                .find("r%d-0".formatted(rank))
                                .orElseThrow()
                                .version()
                                .bytes()
                        / 1e6,
                disk,
                host,
                ROWS,
                longest);
        leases.forEach(AdapterLease::close);
        return slots;
    }

    private static double stepMillis(OpenModel model, int... adapters) {
        int[] slots = new int[ROWS];
        Arrays.setAll(slots, row -> adapters[Math.min(row, adapters.length - 1)]);
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
        return (System.nanoTime() - start) / 1e6;
    }

    // ---- first placements

    /** Adapters into slots that none has been in before, a second after start. */
    private void places() throws Exception {
        try (AdapterScene scene = open(ROWS * RANKS.length, (8 + 16 + 64) * ROWS)) {
            Thread.sleep(1000);
            for (int rank : RANKS) {
                write(scene.model.checkpoint().config(), rank, ROWS);
                scene.registry.scan();
                place(scene, rank);
            }
            System.out.println("once more");
            for (int rank : RANKS) {
                place(scene, rank);
            }
        }
    }

    // ---- more adapters than slots

    private void slots(int[] clientCounts) throws Exception {
        try (AdapterScene scene = open(SLOTS, 160)) {
            write(scene.model.checkpoint().config(), 16, 2 * SLOTS);
            scene.registry.scan();
            scene.engine();
            for (int clients : clientCounts) {
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
