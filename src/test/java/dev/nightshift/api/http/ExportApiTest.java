package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasItem;
import static org.hamcrest.Matchers.hasKey;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.notNullValue;
import static org.hamcrest.Matchers.nullValue;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.path.json.JsonPath;
import io.restassured.response.ValidatableResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code /v1/exports} as a client sees it. Names in one test are its own. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ExportApiTest {
    @TempDir
    Path folder;

    private static ValidatableResponse post(String path, String body) {
        return given().contentType("application/json").body(body).post(path).then();
    }

    private static ValidatableResponse error(ValidatableResponse answer, int status, String code) {
        return answer.statusCode(status)
                .contentType(containsString("json"))
                .body("error.message", notNullValue())
                .body("error", hasKey("param"))
                .body("error.code", code == null ? nullValue() : equalTo(code));
    }

    @Test
    void anExportIsDownloadedAndSaysWhatItsAdapterSaysServedLive() throws Exception {
        Exports.published("alive", TinyAdapter.of(4, 71));
        String digest = given().get("/v1/adapters/alive").then().extract().path("version.digest");
        post("/v1/exports", "{\"model\":\"alive\",\"name\":\"merged-alive\"}")
                .statusCode(200)
                .body("id", equalTo("merged-alive"))
                .body("object", equalTo("export"))
                .body("model", equalTo("alive@1"))
                .body("weights", equalTo("served"))
                .body("base", equalTo("nightshift-tiny"))
                .body("base_digest", matchesPattern("[0-9a-f]{64}"))
                .body("progress.bytes_total", notNullValue())
                .body("error", nullValue());
        JsonPath export = Exports.ended("merged-alive");
        assertThat(export.getString("status")).isEqualTo("succeeded");
        assertThat(export.getString("adapter_digest")).isEqualTo(digest);
        assertThat(export.getInt("progress.shards")).isEqualTo(export.getInt("progress.shards_total"));
        assertThat(export.getLong("bytes")).isEqualTo(export.getLong("progress.bytes_total"));
        assertThat(export.getList("files", String.class)).contains("config.json", "tokenizer.json", "README.md");

        Path model = Exports.download("merged-alive", folder);
        try (Stream<Path> files = Files.list(model)) {
            assertThat(files.map(file -> file.getFileName().toString()).toList())
                    .containsExactlyInAnyOrderElementsOf(export.getList("files", String.class));
        }
        double[] live = Exports.live("alive");
        int[] ids = Exports.ids();
        double difference = Exports.largestDifference(Exports.ofFolder(model, ids), live);
        double withoutAdapter = Exports.largestDifference(Exports.live("nightshift-tiny"), live);
        System.err.printf(
                "log-probabilities: merged %.3f, without the adapter %.3f away%n", difference, withoutAdapter);
        assertThat(difference).isLessThan(Exports.ROUNDED);
        assertThat(withoutAdapter).isGreaterThan(50 * Exports.ROUNDED);
    }

    @Test
    void exportsAreListedInPagesAndGoWhenTheyAreDeleted() throws Exception {
        Exports.published("listed", TinyAdapter.of(2, 72));
        for (String name : List.of("list-1", "list-2", "list-3")) {
            post("/v1/exports", "{\"model\":\"listed\",\"name\":\"%s\"}".formatted(name))
                    .statusCode(200);
        }
        Exports.ended("list-3");
        given().get("/v1/exports?after=list-3&limit=1")
                .then()
                .statusCode(200)
                .body("object", equalTo("list"))
                .body("data.id", equalTo(List.of("list-2")))
                .body("first_id", equalTo("list-2"))
                .body("has_more", equalTo(true));
        given().get("/v1/exports?order=asc&after=list-1&limit=2")
                .then()
                .body("data.id", equalTo(List.of("list-2", "list-3")));
        error(given().get("/v1/exports?limit=0").then(), 400, null).body("error.param", equalTo("limit"));
        given().delete("/v1/exports/list-2")
                .then()
                .statusCode(200)
                .body("id", equalTo("list-2"))
                .body("deleted", equalTo(true));
        given().get("/v1/exports")
                .then()
                .body("data.id", not(hasItem("list-2")))
                .body("data.id", hasItem("list-1"));
        Path exports = Path.of(ConfigProvider.getConfig().getValue("nightshift.data", String.class), "exports");
        assertThat(exports.resolve("list-2")).doesNotExist();
        assertThat(exports.resolve("list-1/config.json")).exists();
        error(given().get("/v1/exports/list-2").then(), 404, "not_found");
        error(given().get("/v1/exports/list-2/download").then(), 404, "not_found");
        error(given().delete("/v1/exports/list-2").then(), 404, "not_found");
    }

    @Test
    void whatCanNotBeExportedIsToldAtOnceOrByTheExport() throws Exception {
        Exports.published("odd", TinyAdapter.of(2, 73));
        error(post("/v1/exports", "{}"), 400, null).body("error.param", equalTo("model"));
        error(post("/v1/exports", "{\"model\":\"nobody\"}"), 404, "model_not_found");
        error(post("/v1/exports", "{\"model\":\"odd\",\"name\":\"../odd\"}"), 400, null)
                .body("error.param", equalTo("name"));
        error(post("/v1/exports", "{\"model\":\"odd\",\"weights\":\"other\"}"), 400, null)
                .body("error.param", equalTo("weights"));
        post("/v1/adapters/odd/merge", "{\"name\":\"odd-merged\"}")
                .statusCode(200)
                .body("object", equalTo("adapter.export"))
                .body("export", equalTo("odd-merged"))
                .body("bytes", notNullValue());
        error(post("/v1/exports", "{\"model\":\"odd\",\"name\":\"odd-merged\"}"), 409, "conflict")
                .body("error.message", containsString("delete it"))
                .body("error.param", equalTo("name"));
        // the embedded model's files hold 4-bit weights
        error(post("/v1/adapters/odd/merge", "{\"weights\":\"stored\"}"), 400, null)
                .body("error.message", containsString("4-bit"));
        JsonPath failed = Exports.ended("nightshift-tiny-odd-1-stored");
        assertThat(failed.getString("status")).isEqualTo("failed");
        assertThat(failed.getString("error.message")).contains("4-bit");
        error(given().get("/v1/exports/nightshift-tiny-odd-1-stored/download").then(), 409, "conflict");
    }
}
