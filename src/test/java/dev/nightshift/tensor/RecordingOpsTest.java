package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.nd4j.Nd4jBackend;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RecordingOpsTest {
    private final RecordingOps ops = new RecordingOps(Nd4jBackend.open(1 << 24, 1));
    private final Scene scene = new Scene(ops);

    @AfterEach
    void close() {
        ops.close();
    }

    private List<String> recorded(Runnable step) {
        ops.clear();
        step.run();
        return ops.calls();
    }

    @Test
    void contentIsNotWrittenDownButBuffersAndShapesAre() {
        Tensor x = scene.zeros(DType.F32, 2, 4);
        Tensor out = scene.zeros(DType.F32, 2, 2);
        Tensor other = scene.zeros(DType.F32, 2, 2);
        List<String> first = recorded(() -> ops.swiGlu(out, x));
        List<String> otherContent = recorded(() -> {
            ops.upload(x, HostTensors.f32(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 4));
            ops.swiGlu(out, x);
        });
        assertThat(otherContent).isEqualTo(first);
        assertThat(ops.transfers()).hasSize(1);
        assertThat(ops.allocations()).isZero();
        assertThat(recorded(() -> ops.swiGlu(other, x))).isNotEqualTo(first);
        assertThat(recorded(() -> ops.swiGlu(out.rows(0, 1), x.rows(0, 1)))).isNotEqualTo(first);
    }

    @Test
    void looksIntoTheRecordsOfOperands() {
        Weight weight = ops.prepare(new Weight.Dense(HostTensors.f32(new float[8], 2, 4)));
        TestAdapters adapters = new TestAdapters(1).slot(TestAdapters.none());
        LoraRows lora = adapters.rows(scene, new int[] {-1, 0}, 0, 1, 4);
        LoraRows moved = new LoraRows(lora.table(), scene.i32(new int[] {-1, 0}, 2), 0, lora.scratch());
        Tensor x = scene.zeros(DType.F32, 2, 4);
        Tensor out = scene.zeros(DType.F32, 2, 2);
        List<String> first = recorded(() -> ops.linear(out, x, weight, null, lora));
        assertThat(recorded(() -> ops.linear(out, x, weight, null, lora))).isEqualTo(first);
        assertThat(recorded(() -> ops.linear(out, x, weight, null, moved))).isNotEqualTo(first);
    }
}
