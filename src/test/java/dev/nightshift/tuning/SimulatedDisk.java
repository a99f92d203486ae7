package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Segment;
import dev.nightshift.train.data.Dataset;
import dev.nightshift.train.data.DatasetOptions;
import dev.nightshift.train.data.Packing;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;

/** What outlives a process: database, files, adapters, all below one folder. */
final class SimulatedDisk {
    final Path root;
    final Jdbi database;

    SimulatedDisk(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root.resolve("adapters"));
        Files.createDirectories(root.resolve("files"));
        database = Jdbi.create("jdbc:h2:file:" + root.resolve("db").toAbsolutePath()
                + ";MODE=PostgreSQL;DATABASE_TO_LOWER=TRUE;DEFAULT_NULL_ORDERING=HIGH;DB_CLOSE_DELAY=-1");
        Path schema = Path.of("src/main/resources/db/migration/V002__tuning.sql");
        database.useHandle(
                handle -> handle.createScript(Files.readString(schema)).execute());
    }

    /** A file whose lines are rows of token ids: prompt, a bar, answer. */
    String upload(String name, List<String> lines) throws IOException {
        Files.write(root.resolve("files").resolve(name), lines);
        return name;
    }

    Path jobs() {
        return root.resolve("jobs");
    }

    /** @param faults called before each operation; may throw */
    TrainingFiles files(Runnable faults) {
        return new TrainingFiles() {
            @Override
            public void check(String id, String param) {
                if (!Files.exists(root.resolve("files").resolve(id))) {
                    throw ServingException.invalid(param, param + ": no such file: " + id);
                }
            }

            @Override
            public void snapshot(String id, Path target) {
                faults.run();
                unchecked(() -> Files.copy(root.resolve("files").resolve(id), target));
            }

            @Override
            public String saveResult(String filename, byte[] content) {
                faults.run();
                String id = "result-" + content.length + "-" + Arrays.hashCode(content);
                unchecked(() -> Files.write(root.resolve("files").resolve(id), content));
                return id;
            }
        };
    }

    /** Adapters are folders named by alias, with colons replaced. */
    AdapterShelf shelf(Runnable faults) {
        return new AdapterShelf() {
            @Override
            public Path stage() {
                faults.run();
                Path[] staged = new Path[1];
                unchecked(() -> staged[0] = Files.createTempDirectory(root, "staged"));
                return staged[0];
            }

            @Override
            public void publish(
                    Path staged,
                    String name,
                    String alias,
                    String job,
                    Instant created,
                    Map<String, Double> evaluation) {
                publishCheckpoint(staged, alias, job, created);
            }

            @Override
            public void publishCheckpoint(Path staged, String alias, String job, Instant created) {
                faults.run();
                unchecked(() -> Files.move(staged, path(alias), StandardCopyOption.ATOMIC_MOVE));
                faults.run();
            }

            @Override
            public Optional<Path> folder(String model) {
                return Optional.of(path(model)).filter(Files::isDirectory);
            }

            @Override
            public void checkName(String name) {
                if (name.equals("llama")) {
                    throw new ServingException(ErrorCode.CONFLICT, "'llama' is the base model's name");
                }
            }
        };
    }

    private Path path(String alias) {
        return root.resolve("adapters").resolve(alias.replace(':', '+'));
    }

    /** Folder of a published adapter. */
    Path folder(String alias) {
        return path(alias);
    }

    /** Bytes of a published adapter's tensors. */
    byte[] adapter(String alias) throws IOException {
        return Files.readAllBytes(path(alias).resolve("adapter_model.safetensors"));
    }

    List<String> served() throws IOException {
        try (Stream<Path> children = Files.list(root.resolve("adapters"))) {
            return children.map(child -> child.getFileName().toString().replace('+', ':'))
                    .sorted()
                    .toList();
        }
    }

    private interface Io {
        void run() throws IOException;
    }

    private static void unchecked(Io io) {
        try {
            io.run();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads the files of {@link #upload}. */
    static SampleReader reader() {
        return (sources, spec, sequenceMax) -> {
            List<List<Segment>> rows = new ArrayList<>();
            long tokens = 0;
            boolean validation = JobFolders.isValidation(sources.getFirst().file());
            for (SampleReader.Source source : sources) {
                try {
                    for (String line : Files.readAllLines(source.file())) {
                        rows.add(segments(line, spec.method()));
                        tokens += Packing.tokens(rows.getLast());
                    }
                } catch (IOException e) {
                    throw new ServingException(ErrorCode.INTERNAL, source.file().getFileName() + " can't be read", e);
                }
            }
            Dataset.Counts counts = new Dataset.Counts(rows.size(), tokens, tokens, 0, 0, 0, 0, 0);
            if (!validation && rows.size() < DatasetOptions.TRAINING_ROWS_MIN) {
                String few = rows.size() + " rows, at least " + DatasetOptions.TRAINING_ROWS_MIN + " are needed";
                return new Dataset(List.of(), counts, List.of(new Dataset.Fault("", 0, few)), 1);
            }
            return new Dataset(rows, counts, List.of(), 0);
        };
    }

    /** {@code prompt|answer}, {@code prompt|better|worse}, or for KTO {@code prompt|answer|good} and any other last word. */
    private static List<Segment> segments(String line, TuningMethod method) {
        String[] parts = line.split("\\|");
        return switch (method) {
            case SUPERVISED -> List.of(segment(parts[0], parts[1], Segment.Role.TARGET));
            case DPO, ORPO ->
                List.of(
                        segment(parts[0], parts[1], Segment.Role.CHOSEN),
                        segment(parts[0], parts[2], Segment.Role.REJECTED));
            case KTO ->
                List.of(segment(
                        parts[0],
                        parts[1],
                        parts[2].equals("good") ? Segment.Role.DESIRABLE : Segment.Role.UNDESIRABLE));
        };
    }

    private static Segment segment(String prompt, String answer, Segment.Role role) {
        int[] first = ids(prompt);
        int[] second = ids(answer);
        int[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        float[] weights = new float[all.length];
        Arrays.fill(weights, first.length, all.length, 1f);
        return new Segment(all, weights, role);
    }

    private static int[] ids(String text) {
        return Arrays.stream(text.strip().split(" "))
                .mapToInt(Integer::parseInt)
                .toArray();
    }
}
