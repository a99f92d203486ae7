package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.model.BatchLimits;
import dev.nightshift.model.OpenModel;
import io.restassured.path.json.JsonPath;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

/** What a client does with exports, and what the server and our own reader make of a prompt. */
final class Exports {
    static final String PROMPT = "Once upon a time there was a small server on a hill";
    /**
     * What rounding each merged weight to bfloat16 may change of a token's log-probability. It moves the golden adapters' logits by
     * 0.4 to 1.2 % (MergedModelTest); logits of this model are of the order of 10, so one may move by 0.1. Here 0.016 was seen, and
     * 17.2 between base and adapter.
     */
    static final double ROUNDED = 0.1;

    private Exports() {}

    static void published(String name, TinyAdapter adapter) {
        given().queryParam("name", name)
                .contentType("application/x-tar")
                .body(adapter.tar())
                .post("/v1/adapters")
                .then()
                .statusCode(200);
    }

    static JsonPath ended(String name) throws InterruptedException {
        for (int i = 0; i < 600; i++) {
            JsonPath export = given().get("/v1/exports/" + name)
                    .then()
                    .statusCode(200)
                    .extract()
                    .jsonPath();
            if (List.of("succeeded", "failed").contains(export.getString("status"))) {
                return export;
            }
            assertThat(export.getString("status")).isIn("queued", "running");
            Thread.sleep(100);
        }
        throw new AssertionError(name + " did not end");
    }

    /** Unpacks a download into a folder. */
    static Path download(String name, Path folder) throws IOException {
        byte[] tar = given().get("/v1/exports/" + name + "/download")
                .then()
                .statusCode(200)
                .contentType("application/x-tar")
                .header("Content-Disposition", containsString(name + ".tar"))
                .extract()
                .asByteArray();
        try (TarArchiveInputStream in = new TarArchiveInputStream(new ByteArrayInputStream(tar))) {
            for (TarArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                Path file = folder.resolve(entry.getName());
                Files.createDirectories(file.getParent());
                Files.write(file, in.readAllBytes());
            }
        }
        return folder.resolve(name);
    }

    /** Log-probabilities of the prompt's tokens from the second on, as the server tells them. */
    static double[] live(String model) {
        JsonNode answer = Api.parse(Api.post(
                        "/v1/completions",
                        "{\"model\":\"%s\",\"prompt\":%s,\"echo\":true,\"logprobs\":1,\"max_tokens\":1,\"temperature\":0}"
                                .formatted(model, Api.quoted(PROMPT)))
                .then()
                .statusCode(200)
                .extract()
                .asString());
        JsonNode all = answer.at("/choices/0/logprobs/token_logprobs");
        double[] logprobs = new double[all.size() - 2];
        for (int i = 0; i < logprobs.length; i++) {
            logprobs[i] = all.get(i + 1).doubleValue();
        }
        return logprobs;
    }

    static int[] ids() {
        JsonNode tokens = Api.parse(Api.post("/tokenize", "{\"prompt\":%s}".formatted(Api.quoted(PROMPT)))
                        .then()
                        .statusCode(200)
                        .extract()
                        .asString())
                .get("tokens");
        int[] ids = new int[tokens.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = tokens.get(i).intValue();
        }
        return ids;
    }

    /** The same of a model in a folder, by our own reader and operations. */
    static double[] ofFolder(Path model, int[] ids) {
        try (OpenModel open = OpenModel.open("cpu", model, Quantisation.NONE, new BatchLimits(80, 1, 80, 8), 8)) {
            float[] logits = open.logits(ids);
            int vocab = logits.length / ids.length;
            double[] logprobs = new double[ids.length - 1];
            for (int i = 0; i < logprobs.length; i++) {
                double max = Double.NEGATIVE_INFINITY;
                for (int v = 0; v < vocab; v++) {
                    max = Math.max(max, logits[i * vocab + v]);
                }
                double sum = 0;
                for (int v = 0; v < vocab; v++) {
                    sum += Math.exp(logits[i * vocab + v] - max);
                }
                logprobs[i] = logits[i * vocab + ids[i + 1]] - max - Math.log(sum);
            }
            return logprobs;
        }
    }

    static double largestDifference(double[] a, double[] b) {
        assertThat(a).hasSameSizeAs(b);
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }
}
