package dev.nightshift.api.http;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** A random adapter of the embedded model on all q and v projections, strong enough to change what it says. */
public record TinyAdapter(byte[] config, byte[] weights) {
    private static final float STRENGTH = 0.3f;

    /** The same for the same seed. */
    public static TinyAdapter of(int rank, long seed) {
        return of(rank, seed, 0, false, false);
    }

    /** One with magnitudes. */
    public static TinyAdapter dora(int rank, long seed) {
        return of(rank, seed, 0, true, false);
    }

    /** One that brings a head of its own. */
    public static TinyAdapter withHead(int rank, long seed) {
        return of(rank, seed, 0, false, true);
    }

    /** One that holds a NaN. */
    public static TinyAdapter broken() {
        return of(4, 1, Float.NaN, false, false);
    }

    private static TinyAdapter of(int rank, long seed, float first, boolean dora, boolean head) {
        Random random = new Random(seed);
        Path folder = null;
        try (Checkpoint base = Checkpoint.open(
                        ModelSource.parse(Optional.empty()), LoadOptions.defaults(), LoadProgress.SILENT);
                Arena arena = Arena.ofShared()) {
            ModelConfig config = base.config();
            List<LoraWeights.Factors> factors = new ArrayList<>();
            for (int layer = 0; layer < config.layers(); layer++) {
                for (int projection : new int[] {LoraTargets.Q, LoraTargets.V}) {
                    int target = LoraTargets.of(layer, projection);
                    Tensor a = random(random, rank, AdapterModules.inputs(config, target), arena);
                    Tensor b = random(random, AdapterModules.outputs(config, target), rank, arena);
                    Tensor magnitude = dora ? ones(AdapterModules.outputs(config, target), arena) : null;
                    factors.add(new LoraWeights.Factors(target, a, b, 1, magnitude));
                }
            }
            if (Float.isNaN(first)) {
                factors.getFirst().a().data().set(ValueLayout.JAVA_FLOAT, 0, first);
            }
            folder = Files.createTempDirectory("tiny");
            PeftFolder.write(
                    folder,
                    new PeftFolder.Description("nightshift-tiny", rank, rank, false, 0, List.of("q_proj", "v_proj")),
                    new LoraWeights(factors, head ? head(random, config, arena) : Map.of()),
                    config);
            return new TinyAdapter(
                    Files.readAllBytes(folder.resolve(PeftFolder.CONFIG)),
                    Files.readAllBytes(folder.resolve(PeftFolder.WEIGHTS)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            delete(folder);
        }
    }

    private static void delete(Path folder) {
        try {
            if (folder != null) {
                Files.deleteIfExists(folder.resolve(PeftFolder.CONFIG));
                Files.deleteIfExists(folder.resolve(PeftFolder.WEIGHTS));
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<Integer, Tensor> head(Random random, ModelConfig config, Arena arena) {
        return Map.of(
                LoraTargets.head(config.layers()), random(random, config.vocabSize(), config.hiddenSize(), arena));
    }

    private static Tensor ones(int count, Arena arena) {
        MemorySegment values = arena.allocate(4L * count, Float.BYTES);
        for (long i = 0; i < count; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1 + i % 3);
        }
        return new Tensor(values, DType.F32, Shape.of(count));
    }

    private static Tensor random(Random random, int rows, int columns, Arena arena) {
        MemorySegment values = arena.allocate(4L * rows * columns, Float.BYTES);
        for (long i = 0; i < (long) rows * columns; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, STRENGTH * (float) random.nextGaussian());
        }
        return new Tensor(values, DType.F32, Shape.of(rows, columns));
    }

    /** Writes both files into a folder, which is made. */
    public void write(Path folder) throws IOException {
        Files.createDirectories(folder);
        Files.write(folder.resolve(PeftFolder.CONFIG), config);
        Files.write(folder.resolve(PeftFolder.WEIGHTS), weights);
    }

    /** As an archive. */
    public byte[] tar() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            entry(tar, "my-adapter/" + PeftFolder.CONFIG, config);
            entry(tar, "my-adapter/" + PeftFolder.WEIGHTS, weights);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Adds a file, wherever its name leads. */
    static void entry(TarArchiveOutputStream tar, String name, byte[] content) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name, true);
        entry.setSize(content.length);
        tar.putArchiveEntry(entry);
        tar.write(content);
        tar.closeArchiveEntry();
    }
}
