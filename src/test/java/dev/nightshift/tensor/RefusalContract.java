package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Wrong shapes and types are refused with both values; too much memory with value and limit. */
interface RefusalContract extends ContractSubject {

    @Test
    default void refusesShapesThatDoNotFit() {
        Random random = random("refusals");
        Scene scene = scene();
        TensorOps ops = scene.ops();
        Weight weight = ops.prepare(TestWeights.dense(random, DType.F32, 3, 4));
        Tensor x = scene.zeros(DType.F32, 2, 4);
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.linear(scene.zeros(DType.F32, 2, 5), x, weight, null, null))
                .withMessageContaining("[2, 5]")
                .withMessageContaining("[2, 3]");
        assertThatIllegalStateException()
                .isThrownBy(() ->
                        ops.linear(scene.zeros(DType.F32, 2, 3), scene.zeros(DType.F32, 2, 7), weight, null, null))
                .withMessageContaining("[2, 7]")
                .withMessageContaining("[2, 4]");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.linear(scene.zeros(DType.F32, 2, 3), x, weight, scene.zeros(DType.F32, 4), null))
                .withMessageContaining("[4]")
                .withMessageContaining("[3]");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.rmsNorm(x, x, scene.zeros(DType.F32, 3), 1e-5f))
                .withMessageContaining("[3]")
                .withMessageContaining("[4]");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.swiGlu(scene.zeros(DType.F32, 2, 3), x))
                .withMessageContaining("[2, 4]")
                .withMessageContaining("[2, 6]");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.gatherRows(scene.zeros(DType.F32, 3, 4), x, scene.zeros(DType.I32, 2)))
                .withMessageContaining("[2]")
                .withMessageContaining("[3]");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.embed(scene.zeros(DType.F32, 2, 3), weight, scene.zeros(DType.I32, 2), null))
                .withMessageContaining("[2, 3]")
                .withMessageContaining("[2, 4]");
    }

    @Test
    default void refusesTypesThatDoNotFit() {
        Scene scene = scene();
        TensorOps ops = scene.ops();
        Tensor x = scene.zeros(DType.F32, 2, 4);
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.gatherRows(x, x, scene.zeros(DType.I64, 2)))
                .withMessageContaining("I64")
                .withMessageContaining("I32");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.upload(x, HostTensors.zeros(DType.I32, 2, 4)))
                .withMessageContaining("I32")
                .withMessageContaining("F32");
        assertThatIllegalStateException()
                .isThrownBy(() -> ops.readback(HostTensors.zeros(DType.F32, 4, 2), x))
                .withMessageContaining("[4, 2]")
                .withMessageContaining("[2, 4]");
    }

    @Test
    default void refusesAWeightThatItDidNotPrepare() {
        Scene scene = scene();
        Weight host = TestWeights.dense(random("unprepared"), DType.F32, 3, 4);
        assertThatIllegalStateException()
                .isThrownBy(() -> scene.ops()
                        .linear(scene.zeros(DType.F32, 2, 3), scene.zeros(DType.F32, 2, 4), host, null, null));
    }

    @Test
    default void refusesMemoryBeyondTheBudget() {
        long elements = 1L << 40;
        assertThatThrownBy(() -> ops().allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(elements)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining(Long.toString(elements))
                .hasMessageContaining("KV_BLOCKS");
    }
}
