package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class HostMemoryTest {

    @Test
    void booksByPartAndRefusesWhatIsOverTheBudget() {
        try (HostMemory memory = new HostMemory(10_000)) {
            memory.allocate(MemoryPart.WEIGHTS, DType.F32, Shape.of(1_000));
            memory.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(500));
            memory.allocate(MemoryPart.WEIGHTS, DType.U8, Shape.of(100));
            assertThat(memory.bookedBytes(MemoryPart.WEIGHTS)).isEqualTo(4_100);
            assertThat(memory.bookedBytes(MemoryPart.KV_BLOCKS)).isEqualTo(500);
            assertThat(memory.bookedBytes(MemoryPart.TRAINING)).isZero();
            assertThatThrownBy(() -> memory.allocate(MemoryPart.TRAINING, DType.U8, Shape.of(5_401)))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining("5401")
                    .hasMessageContaining("5400")
                    .hasMessageContaining("10000");
            assertThat(memory.bookedBytes(MemoryPart.TRAINING)).isZero();
        }
    }

    @Test
    void givesZeroedMemoryOfAnySizeAndTakesItBackAtClose() {
        HostMemory memory = new HostMemory(1L << 40);
        // the last one is far more than the machine has: only what is touched is committed
        for (long bytes : new long[] {1, 63, 1 << 20, (3 << 20) + 5, 1L << 36}) {
            MemorySegment segment = memory.allocate(MemoryPart.KV_BLOCKS, bytes);
            assertThat(segment.byteSize()).isEqualTo(bytes);
            assertThat(segment.address() % 64).isZero();
            assertThat(segment.get(ValueLayout.JAVA_BYTE, 0)).isZero();
            segment.set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) 1);
        }
        MemorySegment last = memory.allocate(MemoryPart.KV_BLOCKS, 1 << 21);
        memory.close();
        assertThatThrownBy(() -> last.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }
}
