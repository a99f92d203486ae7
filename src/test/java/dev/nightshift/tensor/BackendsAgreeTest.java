package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.tensor.nd4j.Nd4jBackend;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** {@code cpu} and {@code nd4j} side by side, without the loops of the contract between them. */
class BackendsAgreeTest {
    /** A layer and a head: ten sums of a few hundred fp32 products one after another, each off by some 1e-7; 7e-7 was measured. */
    private static final double RELATIVE_ERROR_MAX = 5e-6;

    private static final int ROWS = 9;
    private static final int HIDDEN = 207;
    private static final int INNER = 331;
    private static final int VOCAB = 1021;
    private static final AttentionShape ATTENTION = new AttentionShape(6, 2, 34, 5, 0.17f);
    private static final int QKV = (6 + 2 * 2) * 34;

    private record Step(float[] logits, int[] ids, float[] logprobs, int[] history) {}

    /** One decoder layer and the head over two sequences and a padding row, two adapters beside the base model. */
    private static Step step(TensorOps ops, long seed) {
        Random random = new Random(seed);
        Scene scene = new Scene(ops);
        Weight table = ops.prepare(TestWeights.dense(random, DType.BF16, VOCAB, HIDDEN));
        Weight qkvWeight = ops.prepare(new Weight.Fused(List.of(
                TestWeights.nested(random, FourBitCode.NF4, 6 * 34, HIDDEN, 64),
                TestWeights.nested(random, FourBitCode.NF4, 2 * 34, HIDDEN, 64),
                TestWeights.plain(random, FourBitCode.FP4, 2 * 34, HIDDEN, 64))));
        Weight output = ops.prepare(TestWeights.nested(random, FourBitCode.NF4, HIDDEN, 6 * 34, 64));
        Weight gateUpWeight = ops.prepare(TestWeights.dense(random, DType.F16, 2 * INNER, HIDDEN));
        Weight down = ops.prepare(TestWeights.nested(random, FourBitCode.NF4, HIDDEN, INNER, 128));
        Tensor norm = scene.f32(HostTensors.normal(random, HIDDEN, 1), HIDDEN);
        Tensor headNorm = scene.f32(HostTensors.normal(random, 34, 1), 34);
        Tensor bias = scene.f32(HostTensors.normal(random, QKV, 0.1), QKV);
        TestAdapters adapters = new TestAdapters(3)
                .slot(
                        TestAdapters.lowRank(random, 16, HIDDEN, 6 * 34, DType.BF16, false),
                        TestAdapters.none(),
                        TestAdapters.lowRank(random, 3, HIDDEN, 2 * 34, DType.F32, true))
                .slot(
                        TestAdapters.none(),
                        TestAdapters.replacement(random, HIDDEN, 2 * 34, DType.BF16),
                        TestAdapters.none());
        int[] slots = {0, 0, 0, 0, 0, 1, 1, 1, -1};
        AttentionRows rows = attentionRows(scene);
        KvLayout layout = ops.kvLayout(1, 2, 34, 4);
        Tensor kvCache = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(4, layout.blockBytes()));

        Tensor residual = scene.output(ROWS, HIDDEN);
        Tensor x = scene.output(ROWS, HIDDEN);
        Tensor qkv = scene.output(ROWS, QKV);
        Tensor attended = scene.output(ROWS, 6 * 34);
        Tensor projected = scene.output(ROWS, HIDDEN);
        Tensor gateUp = scene.output(ROWS, 2 * INNER);
        Tensor inner = scene.output(ROWS, INNER);
        Tensor last = scene.output(2, HIDDEN);
        Tensor logits = scene.output(2, VOCAB);
        ops.embed(residual, table, scene.i32(new int[] {1, 2, 3, 4, 5, 1020, 0, 7, -1}, ROWS), null);
        ops.rmsNorm(x, residual, norm, 1e-5f);
        ops.linear(qkv, x, qkvWeight, bias, adapters.rows(scene, slots, 0, 3, 16));
        ops.ropeAndStore(qkv, headNorm, headNorm, 1e-5f, rows, ATTENTION, kvCache, layout, 0);
        ops.attention(attended, qkv, rows, ATTENTION, kvCache, layout, 0);
        ops.linear(projected, attended, output, null, null);
        ops.addRmsNorm(x, residual, projected, norm, 1e-5f);
        ops.linear(gateUp, x, gateUpWeight, null, null);
        ops.swiGlu(inner, gateUp);
        ops.linear(projected, inner, down, null, null);
        ops.addRmsNorm(x, residual, projected, norm, 1e-5f);
        ops.gatherRows(last, x, scene.i32(new int[] {4, 7}, 2));
        ops.linear(logits, last, table, null, null);
        float[] values = scene.floats(logits);
        SamplingTrial chosen = new SamplingTrial(
                scene,
                1,
                List.of(
                        Choice.drawn(Arrays.copyOf(values, VOCAB), 0.9f, seed, 3)
                                .filtered(40, 0.9f, 0.01f),
                        Choice.greedy(Arrays.copyOfRange(values, VOCAB, 2 * VOCAB))
                                .penalised(
                                        1.3f,
                                        0.2f,
                                        0.1f,
                                        IntStream.range(0, VOCAB)
                                                .map(i -> i % 3)
                                                .toArray())));
        return new Step(values, chosen.ids, chosen.logprobs, chosen.histories.getFirst());
    }

    private static AttentionRows attentionRows(Scene scene) {
        int[] positions = {0, 1, 2, 3, 4, 0, 1, 2, 0};
        int[] sequences = {0, 0, 0, 0, 0, 1, 1, 1, -1};
        int[] kvSlots = {12, 13, 14, 15, 0, 8, 9, 10, -1};
        float[] cosSin = new float[ROWS * 34];
        for (int row = 0; row < ROWS; row++) {
            System.arraycopy(AttentionFormulas.cosSin(positions[row], 34), 0, cosSin, row * 34, 34);
        }
        return new AttentionRows(
                scene.i32(positions, ROWS),
                scene.i32(sequences, ROWS),
                scene.i32(kvSlots, ROWS),
                scene.i32(new int[] {3, 0, 2, -1}, 2, 2),
                scene.f32(cosSin, ROWS, 34));
    }

    @Test
    void aDecoderLayerAndTheHeadGiveTheSameTokens() {
        long seed = Long.getLong("nightshift.test.seed", System.nanoTime());
        System.out.printf("Backends side by side: -Dnightshift.test.seed=%d%n", seed);
        Step reference;
        Step vector;
        try (TensorOps ops = Nd4jBackend.open(1L << 28, 1)) {
            reference = step(ops, seed);
        }
        try (TensorOps ops = new VectorOps(1L << 28, 2)) {
            vector = step(ops, seed);
        }
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < reference.logits().length; i++) {
            difference += Math.pow(vector.logits()[i] - reference.logits()[i], 2);
            norm += Math.pow(reference.logits()[i], 2);
        }
        double relative = Math.sqrt(difference / norm);
        System.out.printf("Logits of cpu and nd4j differ by %.2e%n", relative);
        assertThat(relative).isLessThan(RELATIVE_ERROR_MAX);
        assertThat(vector.ids()).isEqualTo(reference.ids());
        assertThat(vector.history()).isEqualTo(reference.history());
        for (int row = 0; row < 2; row++) {
            SamplingTrial.assertLogprob(
                    "row " + row, vector.logprobs()[row], reference.logprobs()[row]);
        }
    }
}
