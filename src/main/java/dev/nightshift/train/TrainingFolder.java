package dev.nightshift.train;

import dev.nightshift.checkpoint.PeftConfig;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.checkpoint.SafetensorsFile;
import dev.nightshift.checkpoint.SafetensorsWriter;
import dev.nightshift.checkpoint.StoredTensor;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/** Training states and adapters as files; a state's one file is whole or not there. */
public final class TrainingFolder {
    private static final String STATE = "state.safetensors";
    private static final String A = "a.";
    private static final String B = "b.";
    private static final String SCALE = "scale.";
    private static final String OPTIMIZER = "optimizer.";

    private TrainingFolder() {}

    /** An adapter to go on from. */
    public record Adapter(AdapterShape shape, List<AdapterParameters.HostFactors> factors) {}

    /**
     * Writes a state into an existing folder, replacing an earlier one as a whole.
     *
     * @param facts what the reader must find again
     */
    public static void write(Path folder, TrainingState state, Map<String, String> facts) throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, String> metadata = new LinkedHashMap<>(facts);
        for (AdapterParameters.HostFactors factor : state.factors()) {
            tensors.put(A + factor.target(), factor.a());
            tensors.put(B + factor.target(), factor.b());
            metadata.put(SCALE + factor.target(), Integer.toString(Float.floatToRawIntBits(factor.scale())));
        }
        for (int page = 0; page < state.optimizer().size(); page++) {
            tensors.put(OPTIMIZER + page, state.optimizer().get(page));
        }
        SafetensorsWriter.write(folder.resolve(STATE), tensors, metadata);
    }

    /** Whether a state has been written into a folder: one cut off in its first writing leaves the folder without it. */
    public static boolean holdsState(Path folder) {
        return Files.exists(folder.resolve(STATE));
    }

    /** A state and its facts. */
    public record Stored(TrainingState state, Map<String, String> facts) {}

    /** Reads what {@link #write} wrote, copied into memory of its own. */
    public static Stored read(Path folder) {
        try (Arena mapped = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.map(folder.resolve(STATE), mapped);
            SortedSet<Integer> targets = new TreeSet<>();
            int pages = 0;
            for (String name : file.tensors().keySet()) {
                if (name.startsWith(A)) {
                    targets.add(Integer.parseInt(name.substring(A.length())));
                }
                pages += name.startsWith(OPTIMIZER) ? 1 : 0;
            }
            List<AdapterParameters.HostFactors> factors = new ArrayList<>();
            for (int target : targets) {
                int scaleBits = Integer.parseInt(file.metadata().get(SCALE + target));
                factors.add(new AdapterParameters.HostFactors(
                        target, Float.intBitsToFloat(scaleBits), copy(file, A + target), copy(file, B + target)));
            }
            List<Tensor> optimizer = new ArrayList<>();
            for (int page = 0; page < pages; page++) {
                optimizer.add(copy(file, OPTIMIZER + page));
            }
            return new Stored(new TrainingState(factors, optimizer), file.metadata());
        }
    }

    private static Tensor copy(SafetensorsFile file, String name) {
        StoredTensor stored =
                file.find(name).orElseThrow(() -> new IllegalStateException("training state without tensor " + name));
        Tensor mapped = stored.tensor();
        Tensor own = new Tensor(Arena.ofAuto().allocate(mapped.bytes(), 64), mapped.dtype(), mapped.shape());
        own.data().copyFrom(mapped.data());
        return own;
    }

    // ---- adapters

    /** Writes an adapter in PEFT's layout into an existing folder. */
    public static void writeAdapter(
            Path folder, TrainableModel model, AdapterShape shape, double dropout, TrainingState state)
            throws IOException {
        List<LoraWeights.Factors> factors = new ArrayList<>();
        for (AdapterParameters.HostFactors factor : state.factors()) {
            factors.add(new LoraWeights.Factors(factor.target(), factor.a(), factor.b(), factor.scale(), null));
        }
        List<String> projections = shape.projections().stream()
                .map(AdapterModules.PROJECTIONS::get)
                .toList();
        PeftFolder.write(
                folder,
                new PeftFolder.Description(
                        model.name(), shape.rank(), shape.alpha(), shape.rsLora(), dropout, projections),
                new LoraWeights(factors, Map.of()),
                model.config());
    }

    /** Projections by their names. */
    public static SortedSet<Integer> projections(Iterable<String> names) {
        SortedSet<Integer> projections = new TreeSet<>();
        for (String name : names) {
            projections.add(AdapterModules.PROJECTIONS.indexOf(name));
        }
        return projections;
    }

    /**
     * An adapter that training can go on from: low-rank factors alone, of one rank, on the same projections in every layer.
     *
     * @throws ServingException INVALID_REQUEST for any other
     */
    public static Adapter readAdapter(Path folder, ModelConfig base) {
        PeftConfig config = PeftFolder.config(folder);
        try (Arena mapped = Arena.ofConfined()) {
            LoraWeights weights = PeftFolder.read(folder, base, mapped);
            SortedSet<Integer> projections = new TreeSet<>();
            List<AdapterParameters.HostFactors> factors = new ArrayList<>();
            Optional<Float> scale = Optional.empty();
            for (LoraWeights.Factors factor : weights.factors()) {
                boolean other = factor.target() >= LoraTargets.embedding(base.layers())
                        || factor.magnitude() != null
                        || factor.rank() != weights.rankMax()
                        || scale.isPresent() && scale.get() != factor.scale();
                if (other) {
                    throw cannotGoOn(AdapterModules.name(base, factor.target()));
                }
                scale = Optional.of(factor.scale());
                projections.add(factor.target() % LoraTargets.PER_LAYER);
                factors.add(new AdapterParameters.HostFactors(
                        factor.target(), factor.scale(), floats(factor.a()), floats(factor.b())));
            }
            boolean even = factors.size() == projections.size() * base.layers();
            if (!weights.replacements().isEmpty() || factors.isEmpty() || !even) {
                throw cannotGoOn("modules_to_save or some of the layers");
            }
            boolean rsLora = config.rsLora();
            int rank = weights.rankMax();
            double alpha = scale.orElseThrow() * (rsLora ? Math.sqrt(rank) : rank);
            return new Adapter(new AdapterShape(rank, (float) alpha, rsLora, projections), factors);
        }
    }

    private static ServingException cannotGoOn(String where) {
        return new ServingException(
                ErrorCode.INVALID_REQUEST,
                "model: training can go on from low-rank factors of one rank and scale, without DoRA, on the same"
                        + " projections of all layers; this adapter differs at " + where);
    }

    private static Tensor floats(Tensor tensor) {
        Tensor copy =
                HostRows.empty(DType.F32, tensor.shape().axis(0), tensor.shape().axis(1));
        for (long i = 0; i < tensor.shape().elements(); i++) {
            copy.data().setAtIndex(ValueLayout.JAVA_FLOAT, i, value(tensor, i));
        }
        return copy;
    }

    private static float value(Tensor tensor, long i) {
        return switch (tensor.dtype()) {
            case F32 -> tensor.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i);
            case BF16 -> Float.intBitsToFloat(tensor.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i) << 16);
            case F16 -> Float.float16ToFloat(tensor.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i));
            case I64, I32, U8 -> throw new IllegalStateException("factors of type " + tensor.dtype());
        };
    }
}
