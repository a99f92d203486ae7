package dev.nightshift;

import dev.nightshift.adapter.AdapterBase;
import dev.nightshift.adapter.AdapterLibrary;
import dev.nightshift.adapter.AdapterOptions;
import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.adapter.AdapterSlots;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.adapter.UploadLimits;
import dev.nightshift.api.grpc.CallLimits;
import dev.nightshift.api.grpc.ReaderPatience;
import dev.nightshift.api.grpc.RunningCalls;
import dev.nightshift.api.http.EdgeRoutes;
import dev.nightshift.api.http.InFlight;
import dev.nightshift.api.http.RequestLimits;
import dev.nightshift.api.http.StreamTimes;
import dev.nightshift.chat.AdapterCatalog;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatModel;
import dev.nightshift.chat.EngineTokens;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.chat.TokenSource;
import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.HubSettings;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.checkpoint.TokenizerFiles;
import dev.nightshift.engine.EngineLimits;
import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.EngineModel;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileLimits;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.Uploads;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.store.Database;
import dev.nightshift.telemetry.ServingMeters;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tokenizer.Tokenizer;
import io.micrometer.core.instrument.MeterRegistry;
import io.quarkus.runtime.configuration.MemorySize;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Disposes;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Provider;
import jakarta.inject.Singleton;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** The object graph: settings -> backend -> checkpoint -> model -> engine -> chat -> resources. */
@ApplicationScoped
public class Wiring {
    private static final long HOST_ADAPTERS_MIN = 64L << 20;
    private static final int HOST_PER_DEVICE = 4;
    /** A PEFT folder has three files, one with checkpoints and tokenizer some dozens. */
    private static final int ARCHIVE_ENTRIES_MAX = 256;
    /** Tensors hardly compress; configurations do, and are small. */
    private static final int ARCHIVE_RATIO_MAX = 100;

    private final ModelSettings model;
    private final EngineSettings engine;
    private final AdapterSettings adapters;
    private final HttpSettings http;
    private final ServingMeters meters;
    private final Provider<Tuning> tuning; // which itself needs the database from here

    Wiring(
            ModelSettings model,
            EngineSettings engine,
            AdapterSettings adapters,
            HttpSettings http,
            ServingMeters meters,
            Provider<Tuning> tuning) {
        this.model = model;
        this.tuning = tuning;
        this.engine = engine;
        this.adapters = adapters;
        this.http = http;
        this.meters = meters;
    }

    // ---- what is there while the model still loads

    @Produces
    @Singleton
    ServedChat servedChat() {
        return new ServedChat();
    }

    @Produces
    @Singleton
    ServedAdapters servedAdapters() {
        return new ServedAdapters();
    }

    @Produces
    @Singleton
    RequestLimits requestLimits() {
        HttpSettings.Limits limits = http.limits();
        return new RequestLimits(
                limits.choices(),
                limits.bestOf(),
                limits.prompts(),
                limits.logprobs(),
                limits.stops(),
                limits.stopLength(),
                limits.logitBias(),
                limits.messages(),
                engine.maxRunning() + engine.maxQueued());
    }

    @Produces
    @Singleton
    CallLimits callLimits() {
        HttpSettings.Limits limits = http.limits();
        return new CallLimits(
                limits.choices(),
                limits.logprobs(),
                limits.stops(),
                limits.stopLength(),
                limits.logitBias(),
                limits.messages(),
                engine.maxRunning() + engine.maxQueued());
    }

    /** A server about to stop waits for gRPC calls as for HTTP requests. */
    @Produces
    @Singleton
    static RunningCalls runningCalls(InFlight inFlight) {
        return new RunningCalls() {
            @Override
            public void begin() {
                inFlight.begin();
            }

            @Override
            public void end() {
                inFlight.end();
            }
        };
    }

    @Produces
    @Singleton
    StreamTimes streamTimes() {
        return new StreamTimes(http.keepAlive(), http.slowReader());
    }

    @Produces
    @Singleton
    ReaderPatience readerPatience() {
        return new ReaderPatience(http.slowReader());
    }

    @Produces
    @Singleton
    EdgeRoutes.Limits edgeLimits() {
        return new EdgeRoutes.Limits(
                http.bodyLimit().asLongValue(), http.adapterUploadLimit().asLongValue(), http.maxRequests());
    }

    @Produces
    @Singleton
    static ServingMeters servingMeters(MeterRegistry registry) {
        return new ServingMeters(registry);
    }

    // ---- what lies below nightshift.data

    @Produces
    @Singleton
    Database database() {
        return Database.open(Path.of(model.data()));
    }

    static void close(@Disposes Database database) {
        database.close();
    }

    @Produces
    @Singleton
    FileStore fileStore(Database database, FileSettings settings) {
        FileLimits limits = new FileLimits(
                settings.file().asLongValue(),
                settings.batch().asLongValue(),
                settings.part().asLongValue(),
                settings.upload().asLongValue(),
                settings.parts(),
                settings.uploadLife());
        return new FileStore(database, Path.of(model.data(), "files"), limits, Clock.systemUTC());
    }

    @Produces
    @Singleton
    Uploads uploads(FileStore files) {
        return new Uploads(files, Path.of(model.data(), "uploads"));
    }

    // ---- the resident model

    /**
     * Opens, quantises and plans; takes seconds to minutes. All memory of the chat path is reserved when it returns.
     *
     * @param onFatal told when the device has failed, on the engine's thread
     */
    ResidentModel load(LoadProgress progress, Runnable onFatal) {
        ModelSource source = ModelSource.parse(model.model());
        boolean embedded = source instanceof ModelSource.Embedded;
        if (!embedded) {
            Backends.warmUp(model); // beside the load, which waits for the disk and quantises meanwhile
        }
        Checkpoint checkpoint = Checkpoint.open(source, loadOptions(), progress);
        CompletableFuture<String> hashed = CompletableFuture.supplyAsync(checkpoint::digest);
        CompletableFuture<Tokenizer> tokenizer = CompletableFuture.supplyAsync(() -> tokenizer(checkpoint.tokenizer()));
        TensorOps ops = Backends.open(model);
        int layers = checkpoint.config().layers();
        ModelWeights weights =
                Llama.prepare(ops, checkpoint.weights(), layer -> progress.report("layers", layer, layers));
        EngineLimits limits = engineLimits(checkpoint);
        AdapterSlots slots = adapterSlots(ops, checkpoint);
        Llama llama = new Llama(ops, weights, slots.table(), limits.batchLimits(engine.kvBlockTokens()));
        KvCache kv = MemoryPlan.kvCache(ops, llama, limits, engine.kvBlockTokens(), Backends.budgetBytes(model));
        String digest = joined(hashed);
        int[] ends = checkpoint.generation().eosIds().stream()
                .mapToInt(Integer::intValue)
                .toArray();
        EngineLoop loop = new EngineLoop(
                ops,
                new EngineModel(llama, kv, digest, ends),
                limits,
                tuning.get().slice(),
                onFatal);
        TokenSource tokens = new MeteredTokens(new EngineTokens(loop), meters);
        ChatModel chatModel = chatModel(checkpoint, joined(tokenizer), loop, digest);
        String id = model.servedName().orElseGet(checkpoint::name);
        AdapterRegistry registry =
                AdapterRegistry.open(adapterOptions(id, digest, slots), checkpoint.weights(), slots, loop::wake);
        Chat chat = new Chat(chatModel, new AdapterCatalog(id, registry), tokens, engine.readerLag());
        tuning.get().attach(loop, registry, new Tuning.Parts(ops, weights, kv, id, checkpoint, chatModel));
        if (embedded) {
            Backends.warmUp(model); // its load is over before the compiler could have caught up
        }
        return new ResidentModel(id, checkpoint, ops, loop.start(), registry, tokens, chat);
    }

    private static Tokenizer tokenizer(TokenizerFiles files) {
        return Tokenizer.load(files.json());
    }

    /** What was begun beside the load; its failure is the load's. */
    private static <T> T joined(CompletableFuture<T> begun) {
        try {
            return begun.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ServingException cause ? cause : e;
        }
    }

    private AdapterSlots adapterSlots(TensorOps ops, Checkpoint checkpoint) {
        long bytes = adapters.adapterMemory()
                .map(MemorySize::asLongValue)
                .orElseGet(() -> MemoryPlan.adapterBytes(
                        checkpoint.config(), adapters.adapterSlots(), Backends.budgetBytes(model)));
        return AdapterSlots.allocate(ops, checkpoint.config(), adapters.adapterSlots(), bytes);
    }

    private AdapterOptions adapterOptions(String base, String digest, AdapterSlots slots) {
        return new AdapterOptions(
                Path.of(adapters.adapters()),
                base,
                digest,
                adapters.adapterHostMemory()
                        .map(MemorySize::asLongValue)
                        .orElse(Math.max(HOST_ADAPTERS_MIN, HOST_PER_DEVICE * slots.arenaBytes())),
                adapters.adapterPinned().orElse(Set.of()),
                adapters.adapterLoadTimeout(),
                adapters.adapterScan());
    }

    /** What goes into and out of a loaded model's adapters. */
    AdapterLibrary library(ResidentModel resident) {
        AdapterBase base = new AdapterBase(
                resident.id(),
                resident.checkpoint(),
                () -> Checkpoint.open(
                        ModelSource.parse(model.model()),
                        loadOptions().withQuantisation(Quantisation.NONE),
                        LoadProgress.SILENT));
        UploadLimits limits =
                new UploadLimits(http.adapterUploadLimit().asLongValue(), ARCHIVE_ENTRIES_MAX, ARCHIVE_RATIO_MAX);
        return new AdapterLibrary(resident.adapters(), base, limits, Path.of(model.data(), "exports"));
    }

    private LoadOptions loadOptions() {
        return new LoadOptions(model.quantisation(), HubSettings.of(System.getenv()), Path.of(model.data(), "cache"));
    }

    private EngineLimits engineLimits(Checkpoint checkpoint) {
        int context = MemoryPlan.contextMax(model.maxContext(), checkpoint.config());
        HttpSettings.Limits limits = http.limits();
        return new EngineLimits(
                engine.maxRunning(),
                engine.maxQueued(),
                context,
                engine.stepTokens(),
                engine.busyStepTokens(),
                engine.scoreTokens(),
                limits.logprobs(),
                // besides the client's own entries: its stop ids and the model's ends, banned before min_tokens
                limits.logitBias()
                        + limits.stops()
                        + checkpoint.generation().eosIds().size(),
                engine.maxRunning(),
                engine.readerLag(),
                http.slowReader(),
                engine.prefixCache(),
                tuning.get().rules().slice(),
                tuning.get().rules().slice());
    }

    private ChatModel chatModel(Checkpoint checkpoint, Tokenizer tokenizer, EngineLoop loop, String digest) {
        ModelTemplate template = ModelTemplate.of(checkpoint.tokenizer(), model.chatTemplate());
        return new ChatModel(
                tokenizer,
                template::render,
                Optional.ofNullable(template.source()),
                checkpoint.config().vocabSize(),
                loop.contextMax(),
                checkpoint.tokenizer().bos(),
                checkpoint.tokenizer().eos(),
                checkpoint.tokenizer().pad(),
                SamplingDefaults.of(checkpoint.generation()),
                template.stops(),
                digest);
    }
}
