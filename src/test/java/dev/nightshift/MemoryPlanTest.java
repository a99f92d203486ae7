package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {

    private static ModelConfig config(RopeConfig.Scaling scaling) {
        RopeConfig rope = new RopeConfig(10_000, scaling);
        OptionalInt window = OptionalInt.empty();
        return new ModelConfig(
                "llama", 61, 16, 32, 1, 2, 1, 8, 1e-5f, rope, 1024, window, 0, false, false, false, false, true);
    }

    @Test
    void theSettingCutsTheContextAndStretchesItWithDynamicRopeOnly() {
        ModelConfig plain = config(new RopeConfig.None());
        ModelConfig dynamic = config(new RopeConfig.Dynamic(2, 1024));
        assertThat(MemoryPlan.contextMax(OptionalInt.empty(), plain)).isEqualTo(1024);
        assertThat(MemoryPlan.contextMax(OptionalInt.of(100), plain)).isEqualTo(100);
        assertThat(MemoryPlan.contextMax(OptionalInt.of(4096), plain)).isEqualTo(1024);
        assertThat(MemoryPlan.contextMax(OptionalInt.empty(), dynamic)).isEqualTo(1024);
        assertThat(MemoryPlan.contextMax(OptionalInt.of(100), dynamic)).isEqualTo(100);
        assertThat(MemoryPlan.contextMax(OptionalInt.of(4096), dynamic)).isEqualTo(4096);
    }
}
