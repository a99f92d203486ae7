package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.GoldenLogitsTest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** PEFT's logits for adapters of every family and kind: {@code src/test/golden/adapters}, made by the script beside them. */
class FamilyAdaptersTest {
    private static final Path GOLDENS = Path.of("src/test/golden/adapters");
    /** Norm of the difference over the norm, as for the base models. */
    private static final double RELATIVE = 1e-4;
    /** An adapter that is left out, or applied to less than it says, is further away from the golden. */
    private static final double CHANGE = 1e-2;

    private static final long ARENA_BYTES = 8 << 20;

    @TempDir
    Path root;

    @ParameterizedTest
    @CsvSource({
        "qwen2, bnb-4bit, qwen2_all_linear qwen2_dora",
        "qwen3, bnb-4bit, qwen3_regex qwen3_patterns",
        "mistral, bnb-4bit, mistral_layer mistral_head",
        "llama_tied, bnb-4bit, llama_tied_embed_saved llama_tied_head_dora",
        "llama, bnb-4bit, llama_both_saved",
        "llama, bf16, llama_dense_dora",
    })
    void adaptersGivePeftsLogitsAloneAndBesideEachOther(String family, String form, String adapters) {
        List<String> names = List.of(adapters.split(" "));
        names.forEach(name -> AdapterScene.copy(GOLDENS.resolve(name), root.resolve(name)));
        try (AdapterScene scene = AdapterScene.openFamily(root, family, form, names.size(), ARENA_BYTES)) {
            GoldenTensors first =
                    GoldenTensors.open(GOLDENS.resolve(names.getFirst()).resolve("io.safetensors"));
            int[] ids = first.ints("input_ids");
            float[] base = scene.model.logits(ids, -1);
            List<AdapterLease> leases = new ArrayList<>();
            int[] slots = new int[names.size() + 1];
            slots[names.size()] = -1;
            for (String name : names) {
                leases.add(scene.registry.acquire(name));
                slots[leases.size() - 1] = leases.getLast().slot();
            }
            float[] mixed = scene.model.logits(ids, slots);
            for (int i = 0; i < names.size(); i++) {
                GoldenTensors golden =
                        GoldenTensors.open(GOLDENS.resolve(names.get(i)).resolve("io.safetensors"));
                assertThat(golden.ints("input_ids")).isEqualTo(ids);
                float[] solo = scene.model.logits(ids, slots[i]);
                double error = GoldenLogitsTest.relativeError(solo, golden.floats("logits"));
                double change = GoldenLogitsTest.relativeError(base, golden.floats("logits"));
                System.err.printf("%s: relative error %.2e, change %.2f%n", names.get(i), error, change);
                assertThat(change)
                        .as("%s changes what the base says", names.get(i))
                        .isGreaterThan(CHANGE);
                assertThat(error).as(names.get(i)).isLessThan(RELATIVE);
                assertThat(text(mixed, i, solo.length))
                        .as("%s in a mixed batch", names.get(i))
                        .isEqualTo(solo);
            }
            assertThat(text(mixed, names.size(), base.length))
                    .as("the base in a mixed batch")
                    .isEqualTo(base);
            leases.forEach(AdapterLease::close);
        }
    }

    private static float[] text(float[] mixed, int index, int length) {
        return Arrays.copyOfRange(mixed, index * length, (index + 1) * length);
    }
}
