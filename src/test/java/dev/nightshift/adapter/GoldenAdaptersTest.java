package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.GoldenLogitsTest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Logits of PEFT for every golden adapter, alone and in one batch with all others. */
class GoldenAdaptersTest {
    /** Norm of the difference over the norm, as for the base models. */
    private static final double RELATIVE = 1e-4;

    private static final long ARENA_BYTES = 8 << 20;

    @TempDir
    Path root;

    @Test
    void everyGoldenAdapterGivesItsLogitsAloneAndInOneMixedBatchAndBothBitForBit() {
        AdapterScene.copyGolden(root, AdapterScene.GOLDEN.toArray(String[]::new));
        GoldenTensors base = GoldenTensors.open(
                GoldenTensors.shared("golden", "models", "llama").resolve("io.safetensors"));
        int[] ids = base.ints("input_ids");
        try (AdapterScene scene = AdapterScene.open(root, 8, ARENA_BYTES, ARENA_BYTES)) {
            List<AdapterLease> leases = new ArrayList<>();
            List<float[]> goldens = new ArrayList<>();
            goldens.add(base.floats("logits_nf4"));
            int[] slots = new int[AdapterScene.GOLDEN.size() + 1];
            slots[0] = -1;
            for (String name : AdapterScene.GOLDEN) {
                AdapterLease lease = scene.registry.acquire(name);
                leases.add(lease);
                slots[leases.size()] = lease.slot();
                goldens.add(GoldenTensors.open(AdapterScene.golden(name).resolve("io.safetensors"))
                        .floats("logits"));
            }
            assertThat(slots).doesNotHaveDuplicates();
            float[] mixed = scene.model.logits(ids, slots);
            for (int i = 0; i < slots.length; i++) {
                String name = i == 0 ? "base" : AdapterScene.GOLDEN.get(i - 1);
                float[] solo = scene.model.logits(ids, slots[i]);
                double error = GoldenLogitsTest.relativeError(solo, goldens.get(i));
                System.err.printf("%s: relative error %.2e%n", name, error);
                assertThat(error).as(name).isLessThan(RELATIVE);
                float[] part = Arrays.copyOfRange(mixed, i * solo.length, (i + 1) * solo.length);
                assertThat(part).as("%s in a mixed batch", name).isEqualTo(solo);
            }
            leases.forEach(AdapterLease::close);
        }
    }
}
