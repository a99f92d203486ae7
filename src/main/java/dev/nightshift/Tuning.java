package dev.nightshift;

import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.chat.ChatModel;
import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.engine.EngineLoop;
import dev.nightshift.files.FileStore;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeTable;
import dev.nightshift.store.Database;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.data.Conversations;
import dev.nightshift.tuning.DatasetSamples;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.JobDatabase;
import dev.nightshift.tuning.JobRunner;
import dev.nightshift.tuning.RegistryShelf;
import dev.nightshift.tuning.TrainingSlice;
import dev.nightshift.tuning.TuningRules;
import dev.nightshift.tuning.TuningWindow;
import io.quarkus.runtime.configuration.MemorySize;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import org.jdbi.v3.core.Handle;

/** The tuning part of the object graph: jobs are there from the start, their runner once the model is. */
@Singleton
public class Tuning {
    private static final Duration SLICE_CPU = Duration.ofMillis(200);
    private static final Duration SLICE_CUDA = Duration.ofMillis(20);

    private final TuningSettings settings;
    private final TuningRules rules;
    private final TrainingSlice slice;
    private final RegistryShelf shelf = new RegistryShelf();
    private final FineTuneJobs jobs;
    private volatile JobRunner runner;

    Tuning(TuningSettings settings, ModelSettings model, Database database, FileStore files) {
        this.settings = settings;
        this.rules = rules(settings, model);
        this.slice = new TrainingSlice(rules, Clock.systemUTC(), System::nanoTime);
        this.jobs = new FineTuneJobs(
                transactions(database),
                new UploadedFiles(files),
                shelf,
                slice,
                Path.of(model.data(), "tuning"),
                Clock.systemUTC());
    }

    /** The settings as rules; names what is wrong with one. */
    static TuningRules rules(TuningSettings settings, ModelSettings model) {
        Duration usual = switch (model.backend()) {
            case CPU, ND4J -> SLICE_CPU;
        };
        List<TuningWindow> windows = settings.windows().stream()
                .map(window -> TuningWindow.of(window.start(), window.duration(), TuningWindow.zone(window.zone())))
                .toList();
        return new TuningRules(
                settings.mode(),
                windows,
                settings.quiet(),
                settings.share(),
                settings.slice().orElse(usual));
    }

    private static JobDatabase transactions(Database database) {
        return new JobDatabase() {
            @Override
            public <R> R read(Function<Handle, R> query) {
                return database.read(query);
            }

            @Override
            public <R> R change(Function<Handle, R> change) {
                return database.change(change);
            }
        };
    }

    @Produces
    @Singleton
    FineTuneJobs jobs() {
        return jobs;
    }

    TuningRules rules() {
        return rules;
    }

    TrainingSlice slice() {
        return slice;
    }

    /** What training shares with chat. */
    record Parts(TensorOps ops, ModelWeights weights, KvCache kv, String name, Checkpoint checkpoint, ChatModel chat) {}

    /** Before the engine starts. */
    void attach(EngineLoop engine, AdapterRegistry registry, Parts parts) {
        shelf.attach(registry, parts.name());
        RopeTable rope = new RopeTable(
                parts.weights().config().rope(), parts.weights().config().headDim());
        slice.attach(
                engine,
                new TrainableModel(
                        parts.ops(),
                        parts.weights(),
                        parts.kv(),
                        rope::fill,
                        parts.name(),
                        parts.checkpoint().digest()));
        List<Integer> ends = parts.checkpoint().generation().eosIds();
        Conversations conversations = new Conversations(
                parts.chat().template(),
                parts.chat().tokenizer(),
                Set.copyOf(ends),
                ends.isEmpty() ? OptionalInt.empty() : OptionalInt.of(ends.getFirst()));
        long half = parts.kv().blocks().bytes() / 2;
        runner = new JobRunner(
                jobs,
                slice,
                new DatasetSamples(conversations),
                rules,
                new JobRunner.RunLimits(
                        settings.memory().map(MemorySize::asLongValue).orElse(half),
                        engine.contextMax(),
                        settings.saveEvery(),
                        JobRunner.TRIAL));
    }

    /** Takes up what an earlier process left, and new jobs. */
    void start() {
        runner.start();
    }

    /** Saves what the running job has learnt. */
    void close() {
        if (runner != null) {
            runner.close();
        }
    }
}
