package dev.nightshift.adapter;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.MergeProgress;
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

/** Writes one merged model into an empty folder. */
final class MergeWriter {
    private static final String README = "README.md";

    private final AdapterBase base;

    MergeWriter(AdapterBase base) {
        this.base = base;
    }

    /** Bytes that an export takes, roughly. */
    long estimate() {
        return MergedModel.estimate(base.checkpoint().config());
    }

    /**
     * @param adapter folder of the version
     * @param progress told after each tensor; what it throws ends the writing
     */
    MergedModel.Written write(
            Path folder, AdapterVersion version, Path adapter, MergeSource source, MergeProgress progress)
            throws IOException {
        return switch (source) {
            case SERVED -> write(folder, version, adapter, described(base.checkpoint()), base.checkpoint(), progress);
            case STORED -> {
                try (Checkpoint stored = base.stored().get()) {
                    refuseFourBit(stored);
                    String weights = "the 16-bit weights of the base model's files";
                    yield write(folder, version, adapter, weights, stored, progress);
                }
            }
        };
    }

    private MergedModel.Written write(
            Path folder,
            AdapterVersion version,
            Path adapter,
            String weights,
            Checkpoint checkpoint,
            MergeProgress progress)
            throws IOException {
        try (Arena arena = Arena.ofShared()) {
            LoraWeights lora = PeftFolder.read(adapter, checkpoint.config(), arena);
            MergedModel.Written written =
                    MergedModel.write(folder, checkpoint.weights(), lora, checkpoint.companions(), progress);
            Files.writeString(folder.resolve(README), ModelCard.merged(version, base, weights));
            List<String> files = new ArrayList<>(written.files());
            files.add(README);
            return new MergedModel.Written(files, written.bytes());
        }
    }

    private static String described(Checkpoint served) {
        return isFourBit(served)
                ? "the 4-bit weights that are served, dequantised"
                : "the 16-bit weights that are served";
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
}
