package dev.nightshift.adapter;

import dev.nightshift.chat.AdapterCatalog;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.engine.EngineLimits;
import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.EngineModel;
import dev.nightshift.engine.IdleWork;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.engine.Sequence;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.model.OpenModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** The small golden Llama with adapter slots, a registry over a folder, and an engine when it is asked for. */
final class AdapterScene implements AutoCloseable {
    static final String BASE = "base";
    static final String BASE_DIGEST = "b".repeat(64);
    static final List<String> GOLDEN =
            List.of("attention_only", "dora", "head_saved", "patterns", "plain", "r64", "rslora", "some_layers");

    private static final int BLOCKS = 128;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    final OpenModel model;
    final AdapterSlots slots;
    final AdapterRegistry registry;
    private EngineLoop engine;

    private AdapterScene(OpenModel model, AdapterSlots slots, AdapterOptions options, AdapterStore store) {
        this.model = model;
        this.slots = slots;
        this.registry = AdapterRegistry.open(options, model.checkpoint().weights(), slots, this::wake, store);
    }

    private void wake() {
        EngineLoop loop = engine;
        if (loop != null) {
            loop.wake();
        }
    }

    static AdapterScene open(Path root, int slots, long arenaBytes, long hostBytes) {
        return open(root, slots, arenaBytes, hostBytes, Set.of());
    }

    static AdapterScene open(Path root, int slots, long arenaBytes, long hostBytes, Set<String> pinned) {
        return open(root, "llama", "bnb-4bit", slots, arenaBytes, hostBytes, pinned);
    }

    /** One of the golden families, in one of its forms; 16-bit weights stay so. */
    static AdapterScene openFamily(Path root, String family, String form, int slots, long arenaBytes) {
        return open(root, family, form, slots, arenaBytes, arenaBytes, Set.of());
    }

    private static AdapterScene open(
            Path root, String family, String form, int slots, long arenaBytes, long hostBytes, Set<String> pinned) {
        Path folder = GoldenTensors.shared("golden", "models", family).resolve(form);
        return open(root, folder, slots, arenaBytes, hostBytes, pinned);
    }

    /** Any model. */
    static AdapterScene open(Path root, Path folder, int slots, long arenaBytes, long hostBytes, Set<String> pinned) {
        return open(root, folder, slots, arenaBytes, hostBytes, pinned, PeftAdapter::read, Duration.ofMinutes(1));
    }

    /** With another store than the disk, and a limit for it. */
    static AdapterScene open(Path root, int slots, long hostBytes, AdapterStore store, Duration loadTimeout) {
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bnb-4bit");
        return open(root, folder, slots, 4 << 20, hostBytes, Set.of(), store, loadTimeout);
    }

    private static AdapterScene open(
            Path root,
            Path folder,
            int slots,
            long arenaBytes,
            long hostBytes,
            Set<String> pinned,
            AdapterStore store,
            Duration loadTimeout) {
        AdapterSlots[] made = new AdapterSlots[1];
        OpenModel model = OpenModel.openFamily(
                "cpu",
                folder,
                Quantisation.NONE,
                limits().batchLimits(OpenModel.BLOCK_TOKENS),
                BLOCKS,
                (ops, config) -> {
                    made[0] = AdapterSlots.allocate(ops, config, slots, arenaBytes);
                    return made[0].table();
                });
        AdapterOptions options =
                new AdapterOptions(root, BASE, BASE_DIGEST, hostBytes, pinned, loadTimeout, Duration.ofMillis(300));
        return new AdapterScene(model, made[0], options, store);
    }

    static EngineLimits limits() {
        return new EngineLimits(
                16,
                512,
                256,
                1024,
                64,
                1024,
                4,
                8,
                4,
                256,
                Duration.ofSeconds(30),
                true,
                Duration.ofMillis(1),
                Duration.ZERO);
    }

    EngineLoop engine() {
        if (engine == null) {
            EngineModel served = new EngineModel(model.llama(), model.kv(), "model", new int[0]);
            engine = new EngineLoop(model.ops(), served, limits(), IdleWork.NONE, () -> {}).start();
        }
        return engine;
    }

    AdapterBinding binding(String name) {
        return new AdapterCatalog(BASE, registry).acquire(name);
    }

    static int[] prompt(int seed, int length) {
        int[] ids = new int[length];
        Arrays.setAll(ids, i -> 3 + (seed * 7919 + i * 104729 + i * i * 31) % 500);
        return ids;
    }

    Sequence start(String name, int[] prompt, int tokens) {
        return start(binding(name), prompt, tokens);
    }

    Sequence start(AdapterBinding binding, int[] prompt, int tokens) {
        return engine().submit(request(binding, prompt, tokens));
    }

    static SequenceRequest request(AdapterBinding binding, int[] prompt, int tokens) {
        SamplingParameters greedy = new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, true, -1);
        return new SequenceRequest(prompt, greedy, tokens, binding, "", -1, 256, Optional.empty(), () -> {});
    }

    List<Integer> text(String name, int[] prompt, int tokens) {
        return read(start(name, prompt, tokens));
    }

    /** The greedy text of an adapter without engine, cache or batch mates; before the engine is started. */
    List<Integer> oracle(String name, int[] prompt, int tokens) {
        if (engine != null) {
            throw new IllegalStateException("the engine owns the device");
        }
        int vocab = model.checkpoint().config().vocabSize();
        AdapterBinding binding = binding(name);
        List<Integer> text = new ArrayList<>();
        int[] ids = prompt.clone();
        for (int i = 0; i < tokens; i++) {
            float[] logits = model.logits(ids, binding.slot());
            int best = 0;
            int last = (ids.length - 1) * vocab;
            for (int v = 1; v < vocab; v++) {
                best = logits[last + v] > logits[last + best] ? v : best;
            }
            text.add(best);
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = best;
        }
        binding.release().run();
        return text;
    }

    /** All tokens; throws the failure of a sequence that failed. */
    static List<Integer> read(Sequence sequence) {
        List<Integer> ids = new ArrayList<>();
        while (true) {
            TokenEvent event;
            try {
                event = sequence.take(PATIENCE);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            switch (event) {
                case null -> throw new AssertionError("nothing came for " + PATIENCE + " after " + ids);
                case TokenEvent.Token token -> ids.add(token.scored().id());
                case TokenEvent.PromptScores scores -> {}
                case TokenEvent.Finished finished -> {
                    return ids;
                }
                case TokenEvent.Failed failed -> throw failed.failure();
            }
        }
    }

    static Path golden(String adapter) {
        return GoldenTensors.shared("golden", "adapters", adapter);
    }

    /** Copies PEFT's two files. */
    static Path copy(Path from, Path to) {
        try {
            Files.createDirectories(to);
            for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.write(to.resolve(file), Files.readAllBytes(from.resolve(file)));
            }
            return to;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void copyGolden(Path root, String... names) {
        Stream.of(names).forEach(name -> copy(golden(name), root.resolve(name)));
    }

    /** A golden adapter in a staged folder. */
    Path staged(String golden) {
        return copy(golden(golden), registry.stage());
    }

    @Override
    public void close() {
        if (engine != null) {
            engine.close();
        }
        registry.close();
        model.close();
    }
}
