package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.files.FileLimits;
import dev.nightshift.files.FileStore;
import dev.nightshift.store.Database;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} at random moments of a process that trains; what it had promised is there in its next life. */
@Timeout(900)
class KillTest {
    private static final Path MODEL = Path.of("../shared/golden/models/llama/bnb-4bit");
    private static final int ROWS = 12;
    private static final int BATCH = 4;

    @TempDir
    Path folder;

    private Path rows;

    /**
     * What a process printed.
     *
     * @param readyAt and {@code endedAt}: milliseconds after its start
     */
    private record Life(List<String> lines, long readyAt, long endedAt) {
        String last() {
            return lines.getLast();
        }
    }

    @BeforeEach
    void writeRows() throws IOException {
        Assumptions.assumeTrue(Files.exists(MODEL), MODEL + " is not here");
        rows = folder.resolve("rows.jsonl");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add(("{\"messages\":[{\"role\":\"user\",\"content\":\"%d\"},"
                            + "{\"role\":\"assistant\",\"content\":\"%d %d\"}]}")
                    .formatted(i, i + 1, i + 2));
        }
        Files.write(rows, lines);
    }

    /** Launchers of tests keep it in a class loader of their own, or tell it in a property. */
    private static String classpath() {
        if (KillTest.class.getClassLoader() instanceof URLClassLoader loader) {
            return Stream.of(loader.getURLs())
                    .map(url -> Path.of(URI.create(url.toString())).toString())
                    .collect(Collectors.joining(File.pathSeparator));
        }
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }

    /** @param killAfter negative = it lives until its job has ended */
    private Life live(Path server, int epochs, long killAfter) throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-Xmx256m",
                        "-cp",
                        classpath(),
                        ServerLife.class.getName(),
                        MODEL.toString(),
                        server.toString(),
                        rows.toString(),
                        Integer.toString(epochs))
                .redirectError(
                        server.resolveSibling(server.getFileName() + ".log").toFile())
                .start();
        long begun = System.nanoTime();
        List<String> lines = new ArrayList<>();
        long[] times = {-1, -1};
        Thread killer = killAfter < 0
                ? null
                : Thread.ofPlatform().daemon().start(() -> {
                    try {
                        if (!process.waitFor(killAfter, TimeUnit.MILLISECONDS)) {
                            process.destroyForcibly(); // SIGKILL
                        }
                    } catch (InterruptedException e) {
                        process.destroyForcibly();
                    }
                });
        try (BufferedReader output = process.inputReader()) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                lines.add(line);
                long now = (System.nanoTime() - begun) / 1_000_000;
                times[0] = line.equals("ready") ? now : times[0];
                times[1] = line.startsWith("ended") ? now : times[1];
            }
        }
        process.waitFor();
        if (killer != null) {
            killer.join();
        }
        return new Life(lines, times[0], times[1]);
    }

    @Test
    void threeKillsLoseNothingAndChangeNoBit() throws Exception {
        killAndCompare(3, 8);
    }

    @Test
    @Tag("slow")
    void twentyKillsLoseNothingAndChangeNoBit() throws Exception {
        killAndCompare(20, 50);
    }

    private void killAndCompare(int kills, int epochs) throws Exception {
        int steps = epochs * ROWS / BATCH;
        Path quiet = Files.createDirectory(folder.resolve("quiet"));
        Life undisturbed = live(quiet, epochs, -1);
        assertThat(undisturbed.last()).as(log(quiet)).startsWith("ended SUCCEEDED " + steps);
        long seed = System.nanoTime();
        System.out.println("kill moments from seed " + seed + ", undisturbed " + undisturbed.readyAt()
                + " ms to ready, " + undisturbed.endedAt() + " ms to the end");
        Random random = new Random(seed);
        Path server = Files.createDirectory(folder.resolve("server"));
        Map<String, String> promised = new HashMap<>();
        String job = null;
        int killed = 0;
        long training = undisturbed.endedAt() - undisturbed.readyAt();
        for (int kill = 0; kill < kills; kill++) {
            // somewhere between shortly before it is ready and its share of the training after that
            long share = 2 * training / kills;
            long moment = undisturbed.readyAt() * 3 / 4 + random.nextLong(undisturbed.readyAt() / 4 + share + 1);
            Life life = live(server, epochs, moment);
            killed += life.endedAt() < 0 ? 1 : 0;
            job = remember(life, promised, job);
        }
        Life last = live(server, epochs, -1);
        job = remember(last, promised, job);
        System.out.println(killed + " of " + kills + " kills came before the job's end");
        assertThat(last.last()).as(log(server)).startsWith("ended SUCCEEDED " + steps);
        assertThat(killed).isPositive();
        check(server, promised, job, steps);
        assertThat(adapter(server)).as("same bits").isEqualTo(adapter(quiet));
    }

    /** What a life promised; it must know the job of the life before it. */
    private static String remember(Life life, Map<String, String> promised, String job) {
        String known = job;
        for (String line : life.lines()) {
            if (line.startsWith("file ")) {
                String[] parts = line.split(" ", 3);
                promised.put(parts[1], parts[2]);
            } else if (line.startsWith("job ")) {
                assertThat(known)
                        .as("a second job beside the one that was promised")
                        .isNull();
                known = line.substring("job ".length());
            }
        }
        return known;
    }

    private static byte[] adapter(Path server) throws IOException {
        return Files.readAllBytes(server.resolve("adapters/pattern/1/adapter_model.safetensors"));
    }

    private static String log(Path server) throws IOException {
        return Files.readString(server.resolveSibling(server.getFileName() + ".log"));
    }

    private static void check(Path server, Map<String, String> promised, String job, int steps) throws IOException {
        var config = ServerLife.config(server, MODEL.toString());
        ModelSettings model = config.getConfigMapping(ModelSettings.class);
        try (Database database = Database.open(Path.of(model.data()))) {
            List<String> jobs =
                    database.read(handle -> handle.createQuery("select id from tuning_job where state = 'succeeded'")
                            .mapTo(String.class)
                            .list());
            assertThat(jobs).hasSize(1);
            if (job != null) {
                assertThat(jobs).containsExactly(job);
            }
            List<Integer> metrics =
                    database.read(handle -> handle.createQuery("select step from tuning_metric order by step")
                            .mapTo(Integer.class)
                            .list());
            assertThat(metrics).hasSize(steps).doesNotHaveDuplicates();
            List<Integer> checkpoints =
                    database.read(handle -> handle.createQuery("select step from tuning_checkpoint order by step")
                            .mapTo(Integer.class)
                            .list());
            List<Integer> expected = new ArrayList<>();
            for (int step = 9; step < steps; step += 9) {
                expected.add(step);
            }
            expected.add(steps);
            assertThat(checkpoints).isEqualTo(expected);
            FileStore files = new FileStore(database, Path.of(model.data(), "files"), limits(), Clock.systemUTC());
            for (Map.Entry<String, String> file : promised.entrySet()) {
                assertThat(files.content(file.getKey())).hasContent(file.getValue());
            }
        }
        assertThat(server.resolve("data/tuning")).isEmptyDirectory();
        assertThat(names(server.resolve("adapters/pattern"))).containsExactly("1");
        for (String name : names(server.resolve("adapters"))) {
            if (!name.startsWith(".")) {
                assertThat(names(server.resolve("adapters").resolve(name).resolve("1")))
                        .contains("adapter_config.json", "adapter_model.safetensors", "nightshift.json");
            }
        }
    }

    private static FileLimits limits() {
        return new FileLimits(1 << 20, 1 << 20, 1 << 20, 1 << 20, 10, Duration.ofHours(1));
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.map(child -> child.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }
}
