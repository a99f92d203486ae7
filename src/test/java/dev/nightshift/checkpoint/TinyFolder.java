package dev.nightshift.checkpoint;

import dev.nightshift.quant.BFloat16;
import dev.nightshift.quant.CodeBook;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** A model folder of one layer with random weights, to be bent by a test before it is written. */
final class TinyFolder {
    static final int HIDDEN = 64;
    static final int INNER = 96;
    static final int VOCAB = 32;

    final Map<String, Tensor> tensors = new TreeMap<>();
    final Map<String, String> files = new TreeMap<>();

    TinyFolder() {
        files.put("config.json", """
                {"model_type": "llama", "vocab_size": 32, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
                 "num_attention_heads": 4, "num_key_value_heads": 2, "eos_token_id": 2}""");
        files.put("tokenizer.json", "{}");
        put("model.embed_tokens.weight", VOCAB, HIDDEN);
        put("model.layers.0.self_attn.q_proj.weight", HIDDEN, HIDDEN);
        put("model.layers.0.self_attn.k_proj.weight", HIDDEN / 2, HIDDEN);
        put("model.layers.0.self_attn.v_proj.weight", HIDDEN / 2, HIDDEN);
        put("model.layers.0.self_attn.o_proj.weight", HIDDEN, HIDDEN);
        put("model.layers.0.mlp.gate_proj.weight", INNER, HIDDEN);
        put("model.layers.0.mlp.up_proj.weight", INNER, HIDDEN);
        put("model.layers.0.mlp.down_proj.weight", HIDDEN, INNER);
        put("lm_head.weight", VOCAB, HIDDEN);
        put("model.layers.0.input_layernorm.weight", HIDDEN);
        put("model.layers.0.post_attention_layernorm.weight", HIDDEN);
        put("model.norm.weight", HIDDEN);
    }

    private void put(String name, long... axes) {
        tensors.put(name, random(name, DType.BF16, axes));
    }

    static Tensor random(String name, DType dtype, long... axes) {
        Random random = new Random(name.hashCode());
        Shape shape = Shape.of(axes);
        MemorySegment data = Arena.ofAuto().allocate(shape.elements() * dtype.bytes());
        for (long i = 0; i < shape.elements(); i++) {
            float value = (float) random.nextGaussian();
            switch (dtype) {
                case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i, value);
                case BF16 -> data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, BFloat16.fromFloat(value));
                case F16 -> data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, Float.floatToFloat16(value));
                case I64, I32, U8 -> data.set(ValueLayout.JAVA_BYTE, i * dtype.bytes(), (byte) i);
            }
        }
        return new Tensor(data, dtype, shape);
    }

    /** Replaces a module's weight by the keys that bitsandbytes stores for it. */
    Weight.FourBit quantise(String module, FourBitQuantiser quantiser) {
        String key = module + ".weight";
        Weight.FourBit weight = quantiser.quantise(tensors.get(key), Arena.ofAuto());
        tensors.put(
                key,
                new Tensor(
                        weight.packed().data(),
                        DType.U8,
                        Shape.of(weight.packed().bytes(), 1)));
        tensors.put(key + ".quant_map", floats(CodeBook.of(quantiser.code()).values()));
        String nested = switch (weight.scales()) {
            case BlockScales.Plain plain -> {
                tensors.put(key + ".absmax", plain.absmax());
                yield "";
            }
            case BlockScales.Nested scales -> {
                tensors.put(key + ".absmax", scales.codes());
                tensors.put(key + ".nested_absmax", scales.nestedAbsmax());
                tensors.put(key + ".nested_quant_map", scales.map());
                yield ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": "
                        + (double) scales.offset();
            }
        };
        String name = quantiser.code().name().toLowerCase(Locale.ROOT);
        state(
                module,
                quantiser.code(),
                "{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"bfloat16\", \"shape\": [%d, %d]%s}"
                        .formatted(name, quantiser.blockSize(), weight.rows(), weight.columns(), nested));
        return weight;
    }

    void state(String module, FourBitCode code, String json) {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        String key = module + ".weight.quant_state.bitsandbytes__" + code.name().toLowerCase(Locale.ROOT);
        tensors.put(key, new Tensor(MemorySegment.ofArray(bytes), DType.U8, Shape.of(bytes.length)));
    }

    static Tensor floats(float... values) {
        MemorySegment data = Arena.ofAuto().allocate(4L * values.length, 8);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new Tensor(data, DType.F32, Shape.of(values.length));
    }

    Path write(Path folder) {
        try {
            for (Map.Entry<String, String> file : files.entrySet()) {
                Path path = folder.resolve(file.getKey());
                Files.createDirectories(path.getParent());
                Files.writeString(path, file.getValue());
            }
            if (!tensors.isEmpty()) {
                SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
            }
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Checkpoint open(Path folder) {
        LoadOptions options = new LoadOptions(Quantisation.NF4, HubSettings.of(Map.of()), folder.resolve("cache"));
        return Checkpoint.open(new ModelSource.Folder(folder), options, LoadProgress.SILENT);
    }
}
