package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Sequences with random q, k, v in every layer, and the steps that a scheduler would make of them; each step's outputs are
 * checked against {@link AttentionFormulas}.
 */
final class AttentionTrial {
    static final float EPSILON = 1e-6f;
    static final int BLOCK_TOKENS = 4;

    /** Rows {@code from} (inclusive) to {@code to} of a sequence in one step; sequence -1 = padding rows. */
    record Chunk(int sequence, int from, int to) {}

    final Scene scene;
    final AttentionShape shape;
    private final int layers;
    private final float[] qNorm;
    private final float[] kNorm;
    /** [sequence][layer][position] */
    private final float[][][][] qkv;

    private final double[][][][] rotated;
    private final int[][] blocks;
    private final KvLayout layout;
    private final Tensor kvCache;
    private final Tensor qNormOnDevice;
    private final Tensor kNormOnDevice;

    AttentionTrial(Scene scene, Random random, AttentionShape shape, boolean norms, int layers, int... lengths) {
        this.scene = scene;
        this.shape = shape;
        this.layers = layers;
        this.qNorm = norms ? HostTensors.normal(random, shape.headDim(), 1) : null;
        this.kNorm = norms ? HostTensors.normal(random, shape.headDim(), 1) : null;
        int width = (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
        int blocksMax = (Arrays.stream(lengths).max().orElseThrow() + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < lengths.length * blocksMax + 3; i++) {
            ids.add(i);
        }
        Collections.shuffle(ids, random);
        this.qkv = new float[lengths.length][layers][][];
        this.rotated = new double[lengths.length][layers][][];
        this.blocks = new int[lengths.length][blocksMax];
        for (int s = 0; s < lengths.length; s++) {
            Arrays.fill(blocks[s], -1);
            for (int b = 0; b * BLOCK_TOKENS < lengths[s]; b++) {
                blocks[s][b] = ids.get(s * blocksMax + b);
            }
            for (int layer = 0; layer < layers; layer++) {
                qkv[s][layer] = new float[lengths[s]][];
                for (int p = 0; p < lengths[s]; p++) {
                    qkv[s][layer][p] = HostTensors.normal(random, width, 1);
                }
            }
        }
        this.layout = scene.ops().kvLayout(layers, shape.kvHeads(), shape.headDim(), BLOCK_TOKENS);
        this.kvCache = scene.ops().allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(ids.size(), layout.blockBytes()));
        this.qNormOnDevice = norms ? scene.f32(qNorm, shape.headDim()) : null;
        this.kNormOnDevice = norms ? scene.f32(kNorm, shape.headDim()) : null;
    }

    /** Sequence {@code to} begins with the same {@code tokens} as sequence {@code from} and shares their full blocks. */
    void sharePrefix(int from, int to, int tokens) {
        for (int layer = 0; layer < layers; layer++) {
            System.arraycopy(qkv[from][layer], 0, qkv[to][layer], 0, tokens);
        }
        System.arraycopy(blocks[from], 0, blocks[to], 0, tokens / BLOCK_TOKENS);
    }

    /** Runs one step over all layers and checks it; returns the outputs of the last layer, [row][heads * headDim]. */
    float[][] step(Chunk... chunks) {
        int rows = Arrays.stream(chunks).mapToInt(c -> c.to() - c.from()).sum();
        int[] positions = new int[rows];
        int[] sequences = new int[rows];
        int[] slots = new int[rows];
        float[] cosSin = new float[rows * shape.headDim()];
        int row = 0;
        for (Chunk chunk : chunks) {
            for (int p = chunk.from(); p < chunk.to(); p++, row++) {
                boolean padding = chunk.sequence() < 0;
                positions[row] = padding ? 0 : p;
                sequences[row] = chunk.sequence();
                slots[row] =
                        padding ? -1 : blocks[chunk.sequence()][p / BLOCK_TOKENS] * BLOCK_TOKENS + p % BLOCK_TOKENS;
                System.arraycopy(
                        AttentionFormulas.cosSin(positions[row], shape.headDim()),
                        0,
                        cosSin,
                        row * shape.headDim(),
                        shape.headDim());
            }
        }
        int[] tables = Arrays.stream(blocks).flatMapToInt(Arrays::stream).toArray();
        AttentionRows attentionRows = new AttentionRows(
                scene.i32(positions, rows),
                scene.i32(sequences, rows),
                scene.i32(slots, rows),
                scene.i32(tables, blocks.length, blocks[0].length),
                scene.f32(cosSin, rows, shape.headDim()));
        float[][] last = null;
        for (int layer = 0; layer < layers; layer++) {
            last = layerStep(layer, rows, chunks, attentionRows);
        }
        return last;
    }

    private float[][] layerStep(int layer, int rows, Chunk[] chunks, AttentionRows attentionRows) {
        int width = (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
        float[] input = new float[rows * width];
        int row = 0;
        for (Chunk chunk : chunks) {
            for (int p = chunk.from(); p < chunk.to(); p++, row++) {
                if (chunk.sequence() >= 0) {
                    System.arraycopy(qkv[chunk.sequence()][layer][p], 0, input, row * width, width);
                } else {
                    Arrays.fill(input, row * width, (row + 1) * width, 1e6f);
                }
            }
        }
        Tensor qkvOnDevice = scene.f32(input, rows, width);
        Tensor out = scene.output(rows, (long) shape.heads() * shape.headDim());
        TensorOps ops = scene.ops();
        // both in one first, while the cache holds nothing of these rows yet
        Tensor qkvOfBoth = scene.f32(input, rows, width);
        Tensor outOfBoth = scene.output(rows, (long) shape.heads() * shape.headDim());
        ops.ropeAndAttention(
                outOfBoth,
                qkvOfBoth,
                qNormOnDevice,
                kNormOnDevice,
                EPSILON,
                attentionRows,
                shape,
                kvCache,
                layout,
                layer);
        ops.ropeAndStore(
                qkvOnDevice, qNormOnDevice, kNormOnDevice, EPSILON, attentionRows, shape, kvCache, layout, layer);
        float[] rotatedRows = scene.floats(qkvOnDevice);
        ops.attention(out, qkvOnDevice, attentionRows, shape, kvCache, layout, layer);
        float[] outs = scene.floats(out);
        assertThat(scene.floats(qkvOfBoth)).isEqualTo(rotatedRows);
        assertThat(scene.floats(outOfBoth)).isEqualTo(outs);
        int outWidth = shape.heads() * shape.headDim();
        float[][] result = new float[rows][];
        row = 0;
        for (Chunk chunk : chunks) {
            for (int p = chunk.from(); p < chunk.to(); p++, row++) {
                result[row] = Arrays.copyOfRange(outs, row * outWidth, (row + 1) * outWidth);
                String what = "sequence %d, layer %d, position %d".formatted(chunk.sequence(), layer, p);
                if (chunk.sequence() < 0) {
                    new Expected(outWidth).assertMatches(result[row], what);
                } else {
                    rope(chunk.sequence(), layer, p)
                            .assertMatches(Arrays.copyOfRange(rotatedRows, row * width, (row + 1) * width), what);
                    AttentionFormulas.attend(rotatedUpTo(chunk.sequence(), layer, p), p, shape)
                            .assertMatches(result[row], what);
                }
            }
        }
        return result;
    }

    private Expected rope(int sequence, int layer, int position) {
        return AttentionFormulas.rope(
                qkv[sequence][layer][position],
                qNorm,
                kNorm,
                EPSILON,
                AttentionFormulas.cosSin(position, shape.headDim()),
                shape);
    }

    private double[][] rotatedUpTo(int sequence, int layer, int position) {
        if (rotated[sequence][layer] == null) {
            double[][] all = new double[qkv[sequence][layer].length][];
            for (int p = 0; p < all.length; p++) {
                all[p] = rope(sequence, layer, p).values();
            }
            rotated[sequence][layer] = all;
        }
        return Arrays.copyOf(rotated[sequence][layer], position + 1);
    }
}
