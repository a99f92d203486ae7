package dev.nightshift;

import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.store.Database;
import dev.nightshift.telemetry.ServingMeters;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.Job;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.quarkus.runtime.configuration.DurationConverter;
import io.quarkus.runtime.configuration.MemorySize;
import io.quarkus.runtime.configuration.MemorySizeConverter;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The server without its network, for a process that a test kills: the whole object graph of {@link Wiring} on a small model. It
 * takes up what an earlier life left, or creates the one job; what it was promised it prints, line by line, when it was promised.
 */
public final class ServerLife {
    private static final String SUFFIX = "pattern";

    private final FileStore files;
    private final FineTuneJobs jobs;

    private ServerLife(FileStore files, FineTuneJobs jobs) {
        this.files = files;
        this.jobs = jobs;
    }

    /** @param arguments model folder, folder of this server, training file, epochs */
    public static void main(String[] arguments) throws InterruptedException, java.io.IOException {
        say("begun");
        Path folder = Path.of(arguments[1]);
        SmallRyeConfig config = config(folder, arguments[0]);
        ModelSettings model = config.getConfigMapping(ModelSettings.class);
        Database database = Database.open(Path.of(model.data()));
        Tuning[] tuning = new Tuning[1];
        Wiring wiring = new Wiring(
                model,
                config.getConfigMapping(EngineSettings.class),
                config.getConfigMapping(AdapterSettings.class),
                config.getConfigMapping(HttpSettings.class),
                new ServingMeters(new SimpleMeterRegistry()),
                () -> tuning[0]);
        FileStore files = wiring.fileStore(database, config.getConfigMapping(FileSettings.class));
        tuning[0] = new Tuning(config.getConfigMapping(TuningSettings.class), model, database, files);
        wiring.load(LoadProgress.SILENT, () -> say("the device failed"));
        tuning[0].start();
        new ServerLife(files, tuning[0].jobs()).live(Path.of(arguments[2]), Integer.parseInt(arguments[3]));
        // a job has ended a moment before its folder is gone
        tuning[0].close();
        System.exit(0);
    }

    static SmallRyeConfig config(Path folder, String model) {
        Map<String, String> settings = Map.ofEntries(
                Map.entry("nightshift.model", model),
                Map.entry("nightshift.served-name", "base"),
                Map.entry("nightshift.data", folder.resolve("data").toString()),
                Map.entry("nightshift.adapters", folder.resolve("adapters").toString()),
                Map.entry("nightshift.memory-budget", "256M"),
                Map.entry("nightshift.max-running", "32"),
                Map.entry("nightshift.tuning.mode", "always"),
                Map.entry("nightshift.tuning.save-every", "PT0.05S"));
        return new SmallRyeConfigBuilder()
                .withMapping(ModelSettings.class)
                .withMapping(EngineSettings.class)
                .withMapping(AdapterSettings.class)
                .withMapping(HttpSettings.class)
                .withMapping(FileSettings.class)
                .withMapping(TuningSettings.class)
                .withConverter(MemorySize.class, 200, new MemorySizeConverter())
                .withConverter(Duration.class, 200, new DurationConverter())
                .withSources(new PropertiesConfigSource(settings, "test", 300))
                .build();
    }

    private void live(Path rows, int epochs) throws InterruptedException, java.io.IOException {
        say("ready");
        List<Job> known = jobs.list(Optional.empty(), Map.of(), 10).items();
        upload("a note of this life, " + System.nanoTime());
        Job job = known.isEmpty() ? create(Files.readString(rows), epochs) : known.getFirst();
        int told = -1;
        while (!job.state().ended()) {
            if (job.stepsDone() > told) {
                told = job.stepsDone();
                say("step " + told);
            }
            jobs.awaitChange(Duration.ofMillis(100));
            job = jobs.get(job.id());
        }
        say("ended " + job.state() + " " + job.stepsDone() + " "
                + job.model().orElse(job.error().map(Object::toString).orElse("")));
    }

    private String upload(String content) {
        String id = files.save(
                        new NewFile("rows.txt", Purpose.USER_DATA, Optional.empty()),
                        content.getBytes(StandardCharsets.UTF_8))
                .id();
        say("file " + id + " " + content);
        return id;
    }

    private Job create(String rows, int epochs) {
        String file = files.save(
                        new NewFile("rows.jsonl", Purpose.FINE_TUNE, Optional.empty()),
                        rows.getBytes(StandardCharsets.UTF_8))
                .id();
        Job job = jobs.create(Map.of(
                "model",
                "base",
                "training_file",
                file,
                "suffix",
                SUFFIX,
                "seed",
                11,
                "hyperparameters",
                Map.of("n_epochs", epochs, "batch_size", 4),
                "nightshift",
                Map.of(
                        "lora",
                        Map.of("r", 4, "alpha", 8, "dropout", 0.1),
                        "learning_rate",
                        0.005,
                        "checkpoint_every",
                        9,
                        "max_sequence_length",
                        64)));
        say("job " + job.id());
        return job;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
