package dev.nightshift.checkpoint;

import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.quant.DoubleQuantisation;
import dev.nightshift.quant.DynamicMap;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.LongStream;

/**
 * Weights drawn from a seed, already in the stored form: packed codes and 8-bit absmax are drawn themselves, so a 70B needs no
 * more than its own bytes. Codes are uniform, which by the making of NF4 is about what normal values quantise to. Linears have
 * variance 1 / columns, so that activations keep their size from layer to layer; norms are 1. Head rows of ids that the
 * tokenizer knows are {@value #KNOWN_GAIN} times as large as variance 1 / hidden, the others near zero, so that nearly all
 * probability lies on ids that can be decoded. Each value depends on seed, tensor and place alone.
 */
final class RandomWeights implements CheckpointWeights {
    /** Root mean square of the 16 values of NF4. */
    private static final double NF4_RMS = 0.5336;
    /** Absmax values vary by up to this share around their mean. */
    private static final double ABSMAX_SPREAD = 0.25;

    private static final double KNOWN_GAIN = 4;
    private static final double UNKNOWN_GAIN = 0.01;
    private static final int LEVELS = 256;
    private static final int BLOCK_SIZE = 64;
    private static final long CHUNK_BYTES = 1 << 20;
    private static final int EMBEDDING = -1;
    private static final int HEAD = -2;

    private final ModelConfig config;
    private final long seed;
    private final int knownTokens;
    private final FourBitQuantiser quantiser;

    /** @param knownTokens ids below this can be decoded by the tokenizer in use */
    RandomWeights(ModelConfig config, long seed, int knownTokens, FourBitQuantiser quantiser) {
        this.config = config;
        this.seed = seed;
        this.knownTokens = knownTokens;
        this.quantiser = quantiser;
        if (config.hiddenSize() % 8 != 0) {
            throw new IllegalStateException("hidden size %d is no multiple of 8".formatted(config.hiddenSize()));
        }
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Weight embedding(Arena arena) {
        return vocabulary(EMBEDDING, arena);
    }

    @Override
    public Weight head(Weight embedding, Arena arena) {
        return config.tiedEmbeddings() ? embedding : vocabulary(HEAD, arena);
    }

    @Override
    public Tensor finalNorm(Arena arena) {
        return ones(config.hiddenSize(), arena);
    }

    @Override
    public LayerWeights layer(int index, Arena arena) {
        int hidden = config.hiddenSize();
        int inner = config.intermediateSize();
        int qSize = config.heads() * config.headDim();
        int kvSize = config.kvHeads() * config.headDim();
        int first = index * 7;
        Weight qkv = new Weight.Fused(List.of(
                linear(first, qSize, hidden, arena),
                linear(first + 1, kvSize, hidden, arena),
                linear(first + 2, kvSize, hidden, arena)));
        Weight gateUp = new Weight.Fused(
                List.of(linear(first + 4, inner, hidden, arena), linear(first + 5, inner, hidden, arena)));
        return new LayerWeights(
                ones(hidden, arena),
                qkv,
                null,
                null,
                null,
                linear(first + 3, hidden, qSize, arena),
                null,
                ones(hidden, arena),
                gateUp,
                null,
                linear(first + 6, hidden, inner, arena),
                null);
    }

    private Weight linear(int tensor, int rows, int columns, Arena arena) {
        long elements = (long) rows * columns;
        int blocks = Math.toIntExact((elements + BLOCK_SIZE - 1) / BLOCK_SIZE);
        MemorySegment packed = arena.allocate((elements + 1) / 2, 64);
        fill(packed, stream(tensor, 0));
        MemorySegment codes = arena.allocate(blocks, 64);
        fill(codes, stream(tensor, 1));
        float[] map = DynamicMap.signed();
        int nestedBlocks = (blocks + DoubleQuantisation.NESTED_BLOCK_SIZE - 1) / DoubleQuantisation.NESTED_BLOCK_SIZE;
        double absmax = 1 / (NF4_RMS * Math.sqrt(columns));
        BlockScales scales = new BlockScales.Nested(
                new Tensor(codes, DType.U8, Shape.of(blocks)),
                constants(map, arena),
                constants(repeat((float) (absmax * ABSMAX_SPREAD), nestedBlocks), arena),
                DoubleQuantisation.NESTED_BLOCK_SIZE,
                (float) absmax);
        Tensor bytes = new Tensor(packed, DType.U8, Shape.of(packed.byteSize()));
        return new Weight.FourBit(quantiser.code(), rows, columns, BLOCK_SIZE, bytes, scales);
    }

    /** BF16, uniform over {@value #LEVELS} values with the standard deviation of its rows; eight of them are drawn at a time. */
    private Weight vocabulary(int tensor, Arena arena) {
        int hidden = config.hiddenSize();
        MemorySegment data = arena.allocate(2L * config.vocabSize() * hidden, 64);
        long stream = stream(tensor, 0);
        long[] known = levels(KNOWN_GAIN);
        long[] unknown = levels(UNKNOWN_GAIN);
        LongStream.range(0, config.vocabSize()).parallel().forEach(row -> {
            long[] levels = row < knownTokens ? known : unknown;
            for (long element = row * hidden; element < (row + 1) * hidden; element += 8) {
                long drawn = mix(stream + element / 8);
                data.set(ValueLayout.JAVA_LONG, 2 * element, four(levels, drawn));
                data.set(ValueLayout.JAVA_LONG, 2 * element + 8, four(levels, drawn >>> 32));
            }
        });
        return new Weight.Dense(new Tensor(data, DType.BF16, Shape.of(config.vocabSize(), hidden)));
    }

    private static long four(long[] levels, long drawn) {
        return levels[(int) drawn & 0xFF]
                | levels[(int) (drawn >>> 8) & 0xFF] << 16
                | levels[(int) (drawn >>> 16) & 0xFF] << 32
                | levels[(int) (drawn >>> 24) & 0xFF] << 48;
    }

    private long[] levels(double gain) {
        double halfWidth = gain * Math.sqrt(3.0 / config.hiddenSize());
        long[] levels = new long[LEVELS];
        for (int i = 0; i < LEVELS; i++) {
            float value = (float) (halfWidth * (2.0 * i / (LEVELS - 1) - 1));
            levels[i] = Short.toUnsignedLong(BFloat16.fromFloat(value));
        }
        return levels;
    }

    /** Start of the counter that a tensor's values are drawn from. */
    private long stream(int tensor, int part) {
        return mix(mix(seed) ^ (2L * tensor + part) * 0xD1B54A32D192ED03L);
    }

    /** SplitMix64 (Steele, Lea, Flood 2014): the value at a place of the sequence. */
    private static long mix(long place) {
        long z = place * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    private static void fill(MemorySegment target, long stream) {
        long chunks = (target.byteSize() + CHUNK_BYTES - 1) / CHUNK_BYTES;
        LongStream.range(0, chunks).parallel().forEach(chunk -> {
            long end = Math.min(target.byteSize(), (chunk + 1) * CHUNK_BYTES);
            long at = chunk * CHUNK_BYTES;
            for (; at + 8 <= end; at += 8) {
                target.set(ValueLayout.JAVA_LONG, at, mix(stream + at / 8));
            }
            for (; at < end; at++) {
                target.set(ValueLayout.JAVA_BYTE, at, (byte) mix(stream + at));
            }
        });
    }

    private static Tensor ones(int size, Arena arena) {
        return constants(repeat(1, size), arena);
    }

    private static float[] repeat(float value, int count) {
        float[] values = new float[count];
        java.util.Arrays.fill(values, value);
        return values;
    }

    private static Tensor constants(float[] values, Arena arena) {
        MemorySegment data = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new Tensor(data, DType.F32, Shape.of(values.length));
    }
}
