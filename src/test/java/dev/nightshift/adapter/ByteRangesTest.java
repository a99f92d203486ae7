package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class ByteRangesTest {

    @Test
    void rangesNeverOverlapAndAllRoomComesBackInOnePiece() {
        long seed = 20261125;
        Random random = new Random(seed);
        ByteRanges ranges = new ByteRanges(1 << 20);
        TreeMap<Long, Long> taken = new TreeMap<>();
        int refused = 0;
        for (int i = 0; i < 20_000; i++) {
            if (random.nextInt(5) < 3) {
                long bytes = 1 + random.nextInt(random.nextBoolean() ? 600 : 60_000);
                long start = ranges.allocate(bytes);
                if (start < 0) {
                    refused++;
                    continue;
                }
                assertThat(start % ByteRanges.ALIGNMENT).isZero();
                assertThat(start + bytes).isLessThanOrEqualTo(1 << 20);
                var before = taken.floorEntry(start);
                var after = taken.ceilingEntry(start);
                assertThat(before == null || before.getKey() + before.getValue() <= start)
                        .as("seed %d", seed)
                        .isTrue();
                assertThat(after == null || start + bytes <= after.getKey())
                        .as("seed %d", seed)
                        .isTrue();
                taken.put(start, bytes);
            } else if (!taken.isEmpty()) {
                Long at = taken.ceilingKey((long) random.nextInt(1 << 20));
                long start = at == null ? taken.firstKey() : at;
                ranges.free(start, taken.remove(start));
            }
        }
        assertThat(refused).as("the arena was full at times").isPositive();
        taken.forEach(ranges::free);
        assertThat(ranges.used()).isZero();
        assertThat(ranges.pieces()).isOne();
        assertThat(ranges.allocate(1 << 20)).isZero();
    }

    @Test
    void refusesToFreeTwice() {
        ByteRanges ranges = new ByteRanges(4096);
        long start = ranges.allocate(1000);
        ranges.free(start, 1000);
        assertThatThrownBy(() -> ranges.free(start, 1000)).isInstanceOf(IllegalStateException.class);
    }
}
