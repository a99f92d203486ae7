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
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
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
    /** How folders begin in which an adapter is being written. */
    private static final String STAGED = ".staged-";

    private static final Moment NEVER = new Moment("never", life -> false);

    @TempDir
    Path folder;

    private Path rows;

    /**
     * What a process printed.
     *
     * @param killed whether it was killed before its job had ended
     */
    private record Life(List<String> lines, boolean killed) {
        String last() {
            return lines.getLast();
        }

        /** The last step that it told of; -1 for none. */
        int step() {
            return lines.stream()
                    .filter(line -> line.startsWith("step "))
                    .mapToInt(line -> Integer.parseInt(line.substring("step ".length())))
                    .max()
                    .orElse(-1);
        }
    }

    /**
     * When a process is killed.
     *
     * @param text for the test's output
     */
    private record Moment(String text, Predicate<Life> come) {}

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

    /** A life that ends with its job, or at a moment. */
    private Life live(Path server, int epochs, Moment moment) throws Exception {
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
        List<String> lines = new CopyOnWriteArrayList<>();
        Thread killer = Thread.ofPlatform().daemon().start(() -> {
            while (process.isAlive() && !moment.come().test(new Life(lines, false))) {
                LockSupport.parkNanos(200_000);
            }
            // SIGKILL; a process's own destroyForcibly would close its output under the reader
            process.toHandle().destroyForcibly();
        });
        try (BufferedReader output = process.inputReader()) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                lines.add(line);
            }
        }
        process.waitFor();
        killer.join();
        boolean ended = !lines.isEmpty() && lines.getLast().startsWith("ended");
        return new Life(List.copyOf(lines), !ended);
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
        Life undisturbed = live(quiet, epochs, NEVER);
        assertThat(undisturbed.last()).as(log(quiet)).startsWith("ended SUCCEEDED " + steps);
        long seed = System.nanoTime();
        System.out.println("kill moments from seed " + seed);
        Random random = new Random(seed);
        Path server = Files.createDirectory(folder.resolve("server"));
        Map<String, String> promised = new HashMap<>();
        String job = null;
        int midCheckpoint = 0;
        for (int kill = 0; kill < kills; kill++) {
            Moment moment = moment(kill, kills, steps, server, random);
            Life life = live(server, epochs, moment);
            boolean staged = checkpointStaged(server);
            midCheckpoint += staged ? 1 : 0;
            System.out.printf(
                    "kill %d %s: the process last told of step %d of %d, %s%n",
                    kill + 1,
                    moment.text(),
                    life.step(),
                    steps,
                    staged ? "a checkpoint was half written" : "no checkpoint was half written");
            assertThat(life.killed())
                    .as("killed before the job's end: %s%s", life.lines(), log(server))
                    .isTrue();
            job = remember(life, promised, job);
        }
        assertThat(midCheckpoint).as("kills within a checkpoint").isPositive();
        Life last = live(server, epochs, NEVER);
        job = remember(last, promised, job);
        assertThat(last.last()).as(log(server)).startsWith("ended SUCCEEDED " + steps);
        check(server, promised, job, steps);
        assertThat(adapter(server)).as("same bits").isEqualTo(adapter(quiet));
    }

    /**
     * Kills share the steps: each comes at a random step of its part, every third, from the second on, when the next checkpoint is being
     * written. The first part ends before the first checkpoint where there are three kills.
     */
    private static Moment moment(int kill, int kills, int steps, Path server, Random random) {
        if (kill % 3 == 1) {
            return new Moment(
                    "within a checkpoint", life -> life.lines().contains("ready") && checkpointStaged(server));
        }
        // half a part: the process trains on while it is told that its time has come
        int part = steps / kills;
        int step = kill * part + 1 + random.nextInt(Math.max(1, part / 2));
        long nanos = random.nextLong(20_000_000);
        return new Moment("%.1f ms after step %d".formatted(nanos / 1e6, step), life -> {
            if (life.step() < step) {
                return false;
            }
            LockSupport.parkNanos(nanos);
            return true;
        });
    }

    private static boolean checkpointStaged(Path server) {
        try (Stream<Path> children = Files.list(server.resolve("adapters"))) {
            return children.anyMatch(child -> child.getFileName().toString().startsWith(STAGED));
        } catch (IOException e) {
            return false; // not there yet
        }
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
