package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.Schedule;
import dev.nightshift.train.TrainerSettings.OptimizerKind;
import dev.nightshift.train.data.DatasetFormat;
import dev.nightshift.train.data.DatasetOptions.Rendering;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Reads and checks the body of a job's creation; every refusal names its field. */
public final class JobSpecReader {
    static final List<String> PROJECTIONS =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

    /** An adapter's name, as the design's section 5 has it: the suffix becomes one. */
    private static final Pattern SUFFIX = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    private static final int METADATA_MAX = 16;
    private static final int METADATA_KEY_MAX = 64;
    private static final int METADATA_VALUE_MAX = 512;
    private static final int FILES_MAX = 16;
    private static final int STEPS_MAX = 1_000_000;
    private static final int SEQUENCE_MIN = 16;

    private final RequestFields body;
    private final Map<String, Object> request;
    private final int serverSeed;

    private JobSpecReader(Map<String, Object> request, int serverSeed) {
        this.body = new RequestFields(request, "");
        this.request = request;
        this.serverSeed = serverSeed;
    }

    /**
     * The job that a body asks for.
     *
     * @param request decoded JSON: maps, lists, strings, numbers, booleans and null
     * @param serverSeed for a job without a seed
     */
    public static JobSpec read(Map<String, Object> request, int serverSeed) {
        return new JobSpecReader(request, serverSeed).read();
    }

    private JobSpec read() {
        String model = body.required("model");
        String file = body.required("training_file");
        Optional<String> validation = body.string("validation_file");
        Optional<String> suffix = body.string("suffix").map(this::suffix);
        int seed = body.integer("seed", 0, Integer.MAX_VALUE).orElse(serverSeed);
        refuseIntegrations();
        RequestFields own = body.object("nightshift");
        TuningMethod method = method(own);
        JobSpec.Hyperparameters hyperparameters = hyperparameters(method);
        JobSpec.Options options = options(own);
        List<JobSpec.FileShare> files = files(file, own);
        own.refuseUnknown();
        Map<String, Object> kept = new LinkedHashMap<>(request);
        kept.put("seed", seed);
        return new JobSpec(model, files, validation, suffix, seed, method, hyperparameters, options, metadata(), kept);
    }

    private String suffix(String text) {
        if (!SUFFIX.matcher(text).matches()) {
            throw body.bad(
                    "suffix",
                    "'%s' must have 1 to 64 letters, digits, '.', '_' or '-' and begin with a letter or digit"
                            .formatted(text));
        }
        return text;
    }

    private void refuseIntegrations() {
        List<?> integrations = body.list("integrations");
        if (!integrations.isEmpty()) {
            Object first = integrations.getFirst();
            Object type = first instanceof Map<?, ?> map ? map.get("type") : first;
            throw body.bad("integrations", "integration '%s' is not supported".formatted(type));
        }
    }

    // ---- method and hyperparameters

    private TuningMethod method(RequestFields own) {
        Optional<TuningMethod> special = own.choice("method", TuningMethod.class);
        RequestFields method = body.object("method");
        Optional<String> type = method.string("type");
        if (type.isPresent() && !List.of("supervised", "dpo").contains(type.get())) {
            throw method.bad(
                    "type",
                    "'%s' is not supported; supervised and dpo are, and nightshift.method".formatted(type.get()));
        }
        if (special.isPresent()) {
            return special.get();
        }
        return type.filter("dpo"::equals).isPresent() ? TuningMethod.DPO : TuningMethod.SUPERVISED;
    }

    /** Of {@code method.<type>}, else the deprecated top-level ones, key by key. */
    private JobSpec.Hyperparameters hyperparameters(TuningMethod method) {
        String type = method == TuningMethod.SUPERVISED ? "supervised" : "dpo";
        RequestFields typed = body.object("method").object(type).object("hyperparameters");
        RequestFields old = body.object("hyperparameters");
        return new JobSpec.Hyperparameters(
                source(typed, old, "n_epochs").autoInteger("n_epochs", 1, AutoValues.EPOCHS_MAX),
                source(typed, old, "batch_size").autoInteger("batch_size", 1, AutoValues.BATCH_MAX),
                source(typed, old, "learning_rate_multiplier").autoNumber("learning_rate_multiplier", 1e6),
                source(typed, old, "beta").autoNumber("beta", 2));
    }

    private static RequestFields source(RequestFields typed, RequestFields old, String key) {
        return typed.has(key) ? typed : old;
    }

    // ---- nightshift

    private JobSpec.Options options(RequestFields own) {
        Optional<String> preset = own.string("preset");
        if (preset.isPresent() && !preset.get().equals("guanaco")) {
            throw own.bad("preset", "'%s' is not known; guanaco is".formatted(preset.get()));
        }
        boolean guanaco = preset.isPresent();
        OptionalDouble learningRate = own.number("learning_rate", 0, true, 1);
        OptionalInt sequenceMax = own.integer("max_sequence_length", SEQUENCE_MIN, 1 << 20);
        return new JobSpec.Options(
                lora(own.object("lora"), guanaco),
                own.choice("optimizer", OptimizerKind.class).orElse(OptimizerKind.ADAMW_32),
                own.choice("schedule", Schedule.Kind.class)
                        .orElse(guanaco ? Schedule.Kind.CONSTANT : Schedule.Kind.LINEAR),
                own.number("warmup", 0, false, 1).orElse(guanaco ? 0 : 0.03),
                guanaco && learningRate.isEmpty() ? OptionalDouble.of(2e-4) : learningRate,
                own.number("beta2", 0, true, 0.9999999).orElse(0.999),
                own.number("weight_decay", 0, false, 1).orElse(0),
                own.number("max_grad_norm", 0, false, 1e6).orElse(guanaco ? 0.3 : 1),
                own.number("neftune_alpha", 0, false, 1000).orElse(0),
                sequenceMax,
                own.bool("packing", true),
                own.bool("group_by_length", guanaco),
                own.bool("train_on_inputs", false),
                own.number("held_out", 0, false, 0.5).orElse(0),
                own.integer("evaluate_every", 0, STEPS_MAX).orElse(0),
                own.integer("checkpoint_every", 0, STEPS_MAX).orElse(0),
                own.integer("patience", 0, STEPS_MAX).orElse(0),
                own.choice("publish", PublishRule.class).orElse(PublishRule.BETTER),
                own.integer("priority", -1000, 1000).orElse(0),
                own.choice("format", DatasetFormat.class),
                own.choice("rendering", Rendering.class).orElse(Rendering.AUTO));
    }

    /** Guanaco's values: QLoRA (arXiv 2305.14314), appendix B.2. */
    private LoraSpec lora(RequestFields lora, boolean guanaco) {
        TreeSet<String> targets = new TreeSet<>();
        for (Object target : lora.list("targets")) {
            if (!(target instanceof String name) || !PROJECTIONS.contains(name)) {
                throw lora.bad("targets", "'%s' is not one of %s".formatted(target, PROJECTIONS));
            }
            targets.add(name);
        }
        LoraSpec spec = new LoraSpec(
                lora.integer("r", 1, AdapterShape.RANK_MAX).orElse(guanaco ? 64 : 16),
                lora.number("alpha", 0, true, 65536).orElse(guanaco ? 16 : 32),
                lora.number("dropout", 0, false, 0.9).orElse(guanaco ? 0.1 : 0),
                targets.isEmpty() ? new TreeSet<>(PROJECTIONS) : targets,
                lora.bool("rslora", false),
                lora.number("plus_ratio", 0, true, 1000).orElse(1));
        lora.refuseUnknown();
        return spec;
    }

    private List<JobSpec.FileShare> files(String first, RequestFields own) {
        List<JobSpec.FileShare> files = new ArrayList<>();
        files.add(new JobSpec.FileShare(
                first, own.number("training_file_weight", 0, true, 1000).orElse(1)));
        int index = 0;
        for (Object item : own.list("files")) {
            String path = "nightshift.files[%d]".formatted(index++);
            if (!(item instanceof Map<?, ?> map)) {
                throw ServingException.invalid(path, path + ": an object with id and weight is expected, got " + item);
            }
            RequestFields file = new RequestFields(map, path);
            files.add(new JobSpec.FileShare(
                    file.required("id"), file.number("weight", 0, true, 1000).orElse(1)));
            file.refuseUnknown();
        }
        if (files.size() > FILES_MAX) {
            throw own.bad("files", "%d files, at most %d".formatted(files.size(), FILES_MAX));
        }
        return files;
    }

    private Map<String, String> metadata() {
        Map<String, String> metadata = new LinkedHashMap<>();
        RequestFields fields = body.object("metadata");
        for (Map.Entry<?, ?> entry : fields.map().entrySet()) {
            String key = entry.getKey().toString();
            if (!(entry.getValue() instanceof String value)) {
                throw fields.bad(key, "a string is expected, got " + entry.getValue());
            }
            if (key.length() > METADATA_KEY_MAX || value.length() > METADATA_VALUE_MAX) {
                throw fields.bad(
                        key,
                        "key of %d and value of %d characters, at most %d and %d"
                                .formatted(key.length(), value.length(), METADATA_KEY_MAX, METADATA_VALUE_MAX));
            }
            metadata.put(key, value);
        }
        if (metadata.size() > METADATA_MAX) {
            throw body.bad("metadata", "%d entries, at most %d".formatted(metadata.size(), METADATA_MAX));
        }
        return metadata;
    }
}
