package dev.nightshift.adapter;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.MergedModel;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/** The folder of merged models. One is written at a time: it takes the disk's and several cores' time. */
public final class MergedExports {
    private static final String README = "README.md";

    private final Path root;
    private final AdapterBase base;
    private final ReentrantLock writing = new ReentrantLock();

    MergedExports(Path root, AdapterBase base) {
        this.root = root;
        this.base = base;
    }

    /**
     * A model that was written.
     *
     * @param name of its folder in the folder of exports
     * @param bytes of its tensors
     */
    public record Export(String name, List<String> files, long bytes) {
        public Export {
            files = List.copyOf(files);
        }
    }

    Export write(AdapterVersion version, Path adapter, MergeSource source) {
        if (!writing.tryLock()) {
            throw new ServingException(ErrorCode.CONFLICT, "another merged model is being written; one at a time");
        }
        try {
            return switch (source) {
                case SERVED -> write(version, adapter, source, base.checkpoint());
                case STORED -> {
                    try (Checkpoint stored = base.stored().get()) {
                        refuseFourBit(stored);
                        yield write(version, adapter, source, stored);
                    }
                }
            };
        } catch (IOException e) {
            throw AdapterFolders.failed("the merged model can't be written", e);
        } finally {
            writing.unlock();
        }
    }

    private Export write(AdapterVersion version, Path adapter, MergeSource source, Checkpoint weights)
            throws IOException {
        Files.createDirectories(root);
        checkRoom(MergedModel.estimate(weights.config()));
        String name = name(version, source);
        Path temporary = Files.createDirectory(root.resolve(".writing-" + UUID.randomUUID()));
        try (Arena arena = Arena.ofShared()) {
            LoraWeights lora = PeftFolder.read(adapter, weights.config(), arena);
            Map<String, byte[]> companions = weights.companions();
            MergedModel.Written written = MergedModel.write(temporary, weights.weights(), lora, companions);
            Files.writeString(temporary.resolve(README), ModelCard.merged(version, base, described(source, weights)));
            DurableFiles.syncTree(temporary);
            Path place = root.resolve(name);
            DurableFiles.deleteTree(place);
            DurableFiles.move(temporary, place);
            List<String> files = new ArrayList<>(written.files());
            files.add(README);
            return new Export(name, files, written.bytes());
        } finally {
            DurableFiles.deleteTree(temporary);
        }
    }

    /** A hub id has a slash. */
    private String name(AdapterVersion version, MergeSource source) {
        String model = base.name().replaceAll("[^A-Za-z0-9._-]", "-").replaceFirst("^[.-]+", "");
        return "%s-%s-%d-%s"
                .formatted(
                        model, version.name(), version.number(), source.name().toLowerCase(Locale.ROOT));
    }

    private static String described(MergeSource source, Checkpoint weights) {
        return switch (source) {
            case SERVED ->
                isFourBit(weights)
                        ? "the 4-bit weights that are served, dequantised"
                        : "the 16-bit weights that are served";
            case STORED -> "the 16-bit weights of the base model's files";
        };
    }

    private void refuseFourBit(Checkpoint stored) {
        if (isFourBit(stored)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "the files of %s hold 4-bit weights; merge into the served ones".formatted(base.name()));
        }
    }

    private static boolean isFourBit(Checkpoint checkpoint) {
        try (Arena arena = Arena.ofShared()) {
            return checkpoint.weights().layer(0, arena).output() instanceof Weight.FourBit;
        }
    }

    private void checkRoom(long needed) throws IOException {
        long usable = Files.getFileStore(root).getUsableSpace();
        if (usable < needed) {
            throw new ServingException(
                    ErrorCode.INSUFFICIENT_STORAGE,
                    "the merged model takes %d bytes, the disk has %d".formatted(needed, usable));
        }
    }
}
