package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.equalTo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.TestSettings;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.checkpoint.SafetensorsFile;
import dev.nightshift.model.BatchLimits;
import dev.nightshift.model.OpenModel;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.path.json.JsonPath;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An adapter merged into the 16-bit weights of the base model's files. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
@QuarkusTestResource(value = SixteenBitModel.class, restrictToAnnotatedClass = true)
class StoredExportTest {
    private static final int TOKENS = 24;
    /** One that the test's adapters, which are on q and v, leave alone. */
    private static final String UNTOUCHED = "model.layers.3.mlp.down_proj.weight";

    private static final String TOUCHED = "model.layers.3.self_attn.q_proj.weight";

    @TempDir
    Path folder;

    @BeforeEach
    void theFolderIsThere() {
        Assumptions.assumeTrue(Files.exists(SixteenBitModel.FOLDER), "no " + SixteenBitModel.FOLDER);
    }

    private static int[] saysLive(String model) {
        JsonNode ids = Api.ok(
                        Api.COMPLETIONS,
                        "{\"model\":\"%s\",\"prompt\":%s,\"max_tokens\":%d,\"temperature\":0,\"ignore_eos\":true,\"return_token_ids\":true}"
                                .formatted(model, Api.quoted(Exports.PROMPT), TOKENS))
                .at("/choices/0/token_ids");
        int[] said = new int[ids.size()];
        for (int i = 0; i < said.length; i++) {
            said[i] = ids.get(i).intValue();
        }
        return said;
    }

    /** By how much a model in a folder would rather say something else than these tokens, at most; greedily it is 0. */
    private static double reluctance(Path model, int[] prompt, int[] said) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + said.length);
        System.arraycopy(said, 0, ids, prompt.length, said.length);
        try (OpenModel open = OpenModel.open("cpu", model, Quantisation.NONE, new BatchLimits(80, 1, 80, 8), 8)) {
            float[] logits = open.logits(ids);
            int vocab = logits.length / ids.length;
            double largest = 0;
            for (int at = prompt.length; at < ids.length; at++) {
                float best = Float.NEGATIVE_INFINITY;
                for (int v = 0; v < vocab; v++) {
                    best = Math.max(best, logits[(at - 1) * vocab + v]);
                }
                largest = Math.max(largest, best - logits[(at - 1) * vocab + ids[at]]);
            }
            return largest;
        }
    }

    private static byte[] tensor(Path model, String name) throws IOException {
        try (Stream<Path> files = Files.list(model);
                Arena arena = Arena.ofConfined()) {
            return files.filter(file -> file.toString().endsWith(".safetensors"))
                    .flatMap(file -> SafetensorsFile.map(file, arena).find(name).stream())
                    .findFirst()
                    .orElseThrow()
                    .data()
                    .toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @Test
    void aMergeIntoTheStoredWeightsIsDownloadedAndSaysWhatItsAdapterSaysServedLive() throws Exception {
        Exports.published("stored", TinyAdapter.of(4, 91));
        Api.post("/v1/exports", "{\"model\":\"stored\",\"weights\":\"stored\",\"name\":\"merged-stored\"}")
                .then()
                .statusCode(200)
                .body("base", equalTo(SixteenBitModel.NAME))
                .body("weights", equalTo("stored"));
        JsonPath export = Exports.ended("merged-stored");
        assertThat(export.getString("status")).as(export.prettify()).isEqualTo("succeeded");

        Path model = Exports.download("merged-stored", folder);
        assertThat(model.resolve("README.md"))
                .content()
                .contains("the 16-bit weights of the base model's files", "stored@1");
        assertThat(tensor(model, UNTOUCHED)).as("the stored bits").isEqualTo(tensor(SixteenBitModel.FOLDER, UNTOUCHED));
        assertThat(tensor(model, TOUCHED)).isNotEqualTo(tensor(SixteenBitModel.FOLDER, TOUCHED));

        double[] live = Exports.live("stored");
        int[] prompt = Exports.ids();
        double difference = Exports.largestDifference(Exports.ofFolder(model, prompt), live);
        double withoutAdapter = Exports.largestDifference(Exports.live(SixteenBitModel.NAME), live);
        double reluctance = reluctance(model, prompt, saysLive("stored"));
        System.err.printf(
                "log-probabilities: merged %.3f, without the adapter %.3f away; greedy tokens within %.3f of the best%n",
                difference, withoutAdapter, reluctance);
        assertThat(difference).isLessThan(Exports.ROUNDED);
        assertThat(withoutAdapter).isGreaterThan(50 * Exports.ROUNDED);
        assertThat(reluctance)
                .as("the live adapter's greedy tokens, below the merged model's own")
                .isLessThan(Exports.ROUNDED);
        assertThat(reluctance(model, prompt, saysLive(SixteenBitModel.NAME)))
                .as("the base model's")
                .isGreaterThan(10 * Exports.ROUNDED);
        given().delete("/v1/exports/merged-stored").then().statusCode(200);
    }
}
