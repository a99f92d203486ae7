package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
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

    @Test
    void smallWeightsShareAMappingAndNoneReachesIntoAnother() {
        try (HostMemory memory = new HostMemory(1L << 30)) {
            List<MemorySegment> weights = new ArrayList<>();
            MemorySegment expected = MemorySegment.ofArray(new byte[400_001]);
            for (int i = 0; i < 300; i++) {
                weights.add(memory.allocate(MemoryPart.WEIGHTS, 400_001));
            }
            for (int i = 0; i < weights.size(); i++) {
                assertThat(weights.get(i).address() % 64).isZero();
                assertThat(weights.get(i).mismatch(expected)).isEqualTo(-1);
                weights.get(i).fill((byte) (i + 1));
            }
            for (int i = 0; i < weights.size(); i++) {
                assertThat(weights.get(i).mismatch(expected.fill((byte) (i + 1))))
                        .isEqualTo(-1);
            }
            assertThat(memory.bookedBytes(MemoryPart.WEIGHTS)).isEqualTo(300 * 400_001);
            // on a system that maps, neighbours but where a mapping is full
            Assumptions.assumeTrue(System.getProperty("os.name").equals("Linux"), "mappings are shared on Linux only");
            long neighbours = IntStream.range(1, weights.size())
                    .filter(i -> weights.get(i).address() == weights.get(i - 1).address() + (400_001 + 63) / 64 * 64)
                    .count();
            assertThat(neighbours).isGreaterThan(290);
        }
    }

    /** Whether the system has a page for an address: bit 63 of its entry in Linux' pagemap. */
    private static boolean committed(RandomAccessFile pagemap, long address) throws IOException {
        pagemap.seek(address / 4096 * 8);
        return Long.reverseBytes(pagemap.readLong()) < 0;
    }

    @Test
    void pagesOfAdapterSlotsAreCommittedInTheBackgroundAndWhatIsWrittenMeanwhileStays() throws Exception {
        Path pagemap = Path.of("/proc/self/pagemap");
        Assumptions.assumeTrue(Files.exists(pagemap), "pages are seen through Linux' pagemap only");
        long bytes = 32 << 20;
        try (HostMemory memory = new HostMemory(1L << 30);
                RandomAccessFile pages = new RandomAccessFile(pagemap.toFile(), "r")) {
            MemorySegment slots = memory.allocate(MemoryPart.ADAPTER_SLOTS, bytes);
            for (long at = bytes - 8; at >= 0; at -= 4096) {
                slots.set(ValueLayout.JAVA_LONG_UNALIGNED, at, at + 1); // towards the thread that touches
            }
            for (long at = 0; at < bytes; at += 4096) {
                slots.set(ValueLayout.JAVA_LONG, at, at + 2); // the very longs that are touched
            }
            memory.awaitTouched();
            for (long at = 0; at < bytes; at += 4096) {
                assertThat(slots.get(ValueLayout.JAVA_LONG, at)).isEqualTo(at + 2);
                assertThat(slots.get(ValueLayout.JAVA_LONG, at + 4088)).isEqualTo(at + 4089);
            }

            MemorySegment untouched = memory.allocate(MemoryPart.ADAPTER_SLOTS, bytes);
            MemorySegment workspace = memory.allocate(MemoryPart.WORKSPACE, bytes);
            memory.awaitTouched();
            for (long at = 0; at < bytes; at += 4096) {
                assertThat(committed(pages, untouched.address() + at)).isTrue();
                assertThat(committed(pages, workspace.address() + at)).isFalse();
            }
        }
    }

    /** Block 0 is taken first; most of a large cache may never be needed. */
    @Test
    void onlyTheFirstBlocksOfTheCacheAreCommittedInTheBackground() throws Exception {
        Path pagemap = Path.of("/proc/self/pagemap");
        Assumptions.assumeTrue(Files.exists(pagemap), "pages are seen through Linux' pagemap only");
        try (HostMemory memory = new HostMemory(1L << 40);
                RandomAccessFile pages = new RandomAccessFile(pagemap.toFile(), "r")) {
            MemorySegment blocks = memory.allocate(MemoryPart.KV_BLOCKS, 1L << 36);
            memory.awaitTouched();
            assertThat(committed(pages, blocks.address())).isTrue();
            assertThat(committed(pages, blocks.address() + HostMemory.CACHE_EARLY - 4096))
                    .isTrue();
            assertThat(committed(pages, blocks.address() + HostMemory.CACHE_EARLY + (4L << 20)))
                    .isFalse();
        }
    }

    @Test
    void closingDoesNotWaitForPages() {
        HostMemory memory = new HostMemory(1L << 40);
        memory.allocate(MemoryPart.ADAPTER_SLOTS, 1L << 33); // far more than is committed before the next line
        long start = System.nanoTime();
        memory.close();
        assertThat(System.nanoTime() - start).isLessThan(20_000_000_000L);
    }
}
