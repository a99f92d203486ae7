package dev.nightshift.checkpoint;

import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Weights of a Hugging Face checkpoint. All names, shapes, types and scales are checked when this is made; nothing large is
 * read then. A checkpoint that holds 4-bit linears is taken as it is, its 16-bit modules included; in a 16-bit one the linears
 * of the layers are quantised as they are asked for.
 */
final class StoredWeights implements CheckpointWeights {
    private final TensorFiles tensors;
    private final FourBitReader fourBit;
    private final ModelConfig config;
    private final Optional<FourBitQuantiser> quantiser;
    private final Set<String> used = new HashSet<>();
    private final ModelWeights stored;

    /** @param arena holds the norms and biases, as long as this is used */
    StoredWeights(TensorFiles tensors, ModelConfig config, Quantisation quantisation, Arena arena) {
        this.tensors = tensors;
        this.fourBit = new FourBitReader(tensors);
        this.config = config;
        this.quantiser = FourBitReader.isQuantised(tensors) ? Optional.empty() : quantisation.quantiser();
        Weight embedding = matrix("model.embed_tokens", config.vocabSize(), config.hiddenSize());
        List<LayerWeights> layers = new ArrayList<>();
        for (int i = 0; i < config.layers(); i++) {
            layers.add(layer("model.layers." + i, arena));
        }
        Tensor finalNorm = vector("model.norm.weight", config.hiddenSize(), arena);
        Weight head = config.tiedEmbeddings() ? embedding : matrix("lm_head", config.vocabSize(), config.hiddenSize());
        this.stored = new ModelWeights(config, embedding, layers, finalNorm, head);
    }

    private LayerWeights layer(String prefix, Arena arena) {
        String attention = prefix + ".self_attn.";
        String mlp = prefix + ".mlp.";
        int hidden = config.hiddenSize();
        int inner = config.intermediateSize();
        int qSize = config.heads() * config.headDim();
        int kvSize = config.kvHeads() * config.headDim();
        Weight qkv = new Weight.Fused(List.of(
                matrix(attention + "q_proj", qSize, hidden),
                matrix(attention + "k_proj", kvSize, hidden),
                matrix(attention + "v_proj", kvSize, hidden)));
        Weight gateUp = new Weight.Fused(
                List.of(matrix(mlp + "gate_proj", inner, hidden), matrix(mlp + "up_proj", inner, hidden)));
        Tensor qkvBias = config.qkvBias()
                ? join(
                        arena,
                        vector(attention + "q_proj.bias", qSize, arena),
                        vector(attention + "k_proj.bias", kvSize, arena),
                        vector(attention + "v_proj.bias", kvSize, arena))
                : null;
        Tensor gateUpBias = config.mlpBias()
                ? join(arena, vector(mlp + "gate_proj.bias", inner, arena), vector(mlp + "up_proj.bias", inner, arena))
                : null;
        return new LayerWeights(
                vector(prefix + ".input_layernorm.weight", hidden, arena),
                qkv,
                qkvBias,
                config.qkNorm() ? vector(attention + "q_norm.weight", config.headDim(), arena) : null,
                config.qkNorm() ? vector(attention + "k_norm.weight", config.headDim(), arena) : null,
                matrix(attention + "o_proj", hidden, qSize),
                config.outputBias() ? vector(attention + "o_proj.bias", hidden, arena) : null,
                vector(prefix + ".post_attention_layernorm.weight", hidden, arena),
                gateUp,
                gateUpBias,
                matrix(mlp + "down_proj", hidden, inner),
                config.mlpBias() ? vector(mlp + "down_proj.bias", hidden, arena) : null);
    }

    /** A view of a module's weight. */
    private Weight matrix(String module, int rows, int columns) {
        used.add(module + ".weight");
        Optional<Weight.FourBit> packed = fourBit.read(module, rows, columns);
        if (packed.isPresent()) {
            return packed.get();
        }
        StoredTensor weight = tensors.require(module + ".weight");
        checkShape(weight, Shape.of(rows, columns));
        checkFloating(weight);
        return new Weight.Dense(weight.tensor());
    }

    /** A norm or bias, converted to F32. */
    private Tensor vector(String name, int size, Arena arena) {
        used.add(name);
        StoredTensor source = tensors.require(name);
        checkShape(source, Shape.of(size));
        checkFloating(source);
        MemorySegment values = arena.allocate(4L * size, 64);
        for (int i = 0; i < size; i++) {
            float value = element(source, i);
            if (!Float.isFinite(value)) {
                throw FourBitReader.invalid(source, "value %d is %s".formatted(i, value));
            }
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
        return new Tensor(values, DType.F32, Shape.of(size));
    }

    private static float element(StoredTensor source, int i) {
        if (source.type() == StoredType.F32) {
            return source.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
        }
        short bits = source.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i);
        return source.type() == StoredType.BF16 ? BFloat16.toFloat(bits) : Float.float16ToFloat(bits);
    }

    private static void checkShape(StoredTensor tensor, Shape expected) {
        if (!tensor.shape().equals(expected)) {
            throw FourBitReader.invalid(
                    tensor, "shape %s, the configuration needs %s".formatted(tensor.shape(), expected));
        }
    }

    private static void checkFloating(StoredTensor tensor) {
        StoredType type = tensor.type();
        if (type != StoredType.F32 && type != StoredType.BF16 && type != StoredType.F16) {
            throw FourBitReader.invalid(
                    tensor,
                    "type %s is not supported here; supported are F32, BF16, F16 and bitsandbytes 4-bit"
                            .formatted(type));
        }
    }

    private static Tensor join(Arena arena, Tensor... parts) {
        long bytes = 0;
        for (Tensor part : parts) {
            bytes += part.bytes();
        }
        MemorySegment joined = arena.allocate(bytes, 64);
        long at = 0;
        for (Tensor part : parts) {
            MemorySegment.copy(part.data(), 0, joined, at, part.bytes());
            at += part.bytes();
        }
        return new Tensor(joined, DType.F32, Shape.of(bytes / 4));
    }

    /** Tensors that the architecture has no place for, such as stored rotary frequencies. */
    List<String> unused() {
        return tensors.all().keySet().stream()
                .filter(name -> !used.contains(name) && !used.contains(name.replaceFirst("\\.weight\\..*$", ".weight")))
                .toList();
    }

    /** Whether 16-bit linears are quantised on the way. */
    boolean quantises() {
        return quantiser.isPresent();
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Weight embedding(Arena arena) {
        return stored.embedding();
    }

    @Override
    public Tensor finalNorm(Arena arena) {
        return stored.finalNorm();
    }

    @Override
    public Weight head(Weight embedding, Arena arena) {
        return config.tiedEmbeddings() ? embedding : stored.head();
    }

    @Override
    public LayerWeights layer(int index, Arena arena) {
        LayerWeights layer = stored.layers().get(index);
        if (quantiser.isEmpty()) {
            return layer;
        }
        try {
            return quantised(layer, arena);
        } catch (ServingException e) {
            throw new ServingException(e.code(), "layer %d: %s".formatted(index, e.getMessage()), e);
        }
    }

    private LayerWeights quantised(LayerWeights layer, Arena arena) {
        return new LayerWeights(
                layer.inputNorm(),
                quantised(layer.qkv(), arena),
                layer.qkvBias(),
                layer.qNorm(),
                layer.kNorm(),
                quantised(layer.output(), arena),
                layer.outputBias(),
                layer.postNorm(),
                quantised(layer.gateUp(), arena),
                layer.gateUpBias(),
                quantised(layer.down(), arena),
                layer.downBias());
    }

    private Weight quantised(Weight weight, Arena arena) {
        return switch (weight) {
            case Weight.Dense dense -> quantiser.orElseThrow().quantise(dense.values(), arena);
            case Weight.Fused fused ->
                new Weight.Fused(fused.parts().stream()
                        .map(part -> quantised(part, arena))
                        .toList());
            case Weight.FourBit packed -> packed;
            case Weight.Prepared prepared ->
                throw new IllegalStateException("prepared weight in a checkpoint: " + prepared);
        };
    }
}
