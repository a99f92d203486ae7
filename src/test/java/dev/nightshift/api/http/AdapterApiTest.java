package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasItem;
import static org.hamcrest.Matchers.hasKey;
import static org.hamcrest.Matchers.hasSize;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.notNullValue;
import static org.hamcrest.Matchers.nullValue;
import static org.hamcrest.Matchers.startsWith;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.response.ValidatableResponse;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters from the outside: every name in one test is its own, so that tests don't meet. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class AdapterApiTest {
    private static final String BASE = "nightshift-tiny";

    private static Path root() {
        return Path.of(ConfigProvider.getConfig().getValue("nightshift.adapters", String.class));
    }

    private static ValidatableResponse error(ValidatableResponse answer, int status, String code) {
        return answer.statusCode(status)
                .contentType(containsString("json"))
                .body("error.message", notNullValue())
                .body("error.type", notNullValue())
                .body("error", hasKey("param"))
                .body("error.code", code == null ? nullValue() : equalTo(code));
    }

    private static ValidatableResponse upload(String name, String type, byte[] body) {
        return given().queryParam("name", name)
                .contentType(type)
                .body(body)
                .post("/v1/adapters")
                .then();
    }

    private static ValidatableResponse published(String name, TinyAdapter adapter) {
        return upload(name, "application/x-tar", adapter.tar()).statusCode(200);
    }

    private static ValidatableResponse json(String method, String path, String body) {
        return given().contentType("application/json")
                .body(body)
                .request(method, path)
                .then();
    }

    /** The first token's log-probabilities, which tell adapters apart where texts may agree. */
    private static List<Float> says(String model) {
        return json(
                        "POST",
                        "/v1/completions",
                        "{\"model\":\"%s\",\"prompt\":\"Once upon a time\",\"max_tokens\":3,\"temperature\":0,\"logprobs\":1}"
                                .formatted(model))
                .statusCode(200)
                .body("model", equalTo(model))
                .extract()
                .path("choices[0].logprobs.token_logprobs");
    }

    @Test
    void anUploadedAdapterIsServedAndListedAtOnceAndChangesTheAnswer() {
        TinyAdapter adapter = TinyAdapter.of(4, 7);
        given().multiPart("name", "form")
                .multiPart("files", "adapter_config.json", adapter.config(), "application/json")
                .multiPart("files", "adapter_model.safetensors", adapter.weights(), "application/octet-stream")
                .post("/v1/adapters")
                .then()
                .statusCode(200)
                .body("id", equalTo("form@1"))
                .body("state", equalTo("ready"))
                .body("rank", equalTo(4))
                .body("base", equalTo(BASE))
                .body("digest", matchesPattern("[0-9a-f]{64}"));
        given().get("/v1/models")
                .then()
                .body("data[0].id", equalTo(BASE))
                .body("data[0].parent", nullValue())
                .body("data.find { it.id == 'form' }.parent", equalTo(BASE))
                .body("data.find { it.id == 'form' }.root", equalTo("form@1"))
                .body("data.find { it.id == 'form' }.object", equalTo("model"));
        given().get("/v1/models/form@1").then().statusCode(200).body("id", equalTo("form@1"));
        assertThat(says("form")).isNotEqualTo(says(BASE));
        assertThat(says("form@1")).isEqualTo(says("form"));
        assertThat(says(BASE)).isEqualTo(says(BASE));
    }

    @Test
    void archivesBecomeVersionsAndNamesMoveBetweenThem() throws IOException {
        TinyAdapter first = TinyAdapter.of(2, 1);
        TinyAdapter second = TinyAdapter.of(8, 2);
        published("bot", first).body("number", equalTo(1));
        List<Float> one = says("bot");
        ByteArrayOutputStream zipped = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(zipped)) {
            zip.putNextEntry(new ZipEntry("adapter_config.json"));
            zip.write(second.config());
            zip.putNextEntry(new ZipEntry("adapter_model.safetensors"));
            zip.write(second.weights());
        }
        upload("bot", "application/zip", zipped.toByteArray()).statusCode(200).body("id", equalTo("bot@2"));
        List<Float> two = says("bot");
        assertThat(two).isNotEqualTo(one);
        assertThat(says("bot@1")).isEqualTo(one);
        given().get("/v1/adapters/bot/versions")
                .then()
                .body("data.number", equalTo(List.of(2, 1)))
                .body("data[0].rank", equalTo(8));
        given().get("/v1/adapters/bot/versions/1").then().body("rank", equalTo(2));

        json("PUT", "/v1/adapters/live/alias", "{\"target\":\"bot@1\"}")
                .statusCode(200)
                .body("alias", equalTo(true))
                .body("pinned", equalTo(true))
                .body("version.id", equalTo("bot@1"));
        assertThat(says("live")).isEqualTo(one);
        json("PUT", "/v1/adapters/live/alias", "{\"target\":\"bot@2\"}").statusCode(200);
        assertThat(says("live")).isEqualTo(two);
        given().post("/v1/adapters/live/rollback").then().statusCode(200).body("version.id", equalTo("bot@1"));
        assertThat(says("live")).isEqualTo(one);
        given().post("/v1/adapters/bot/rollback").then().statusCode(200).body("version.id", equalTo("bot@1"));
        assertThat(says("bot")).isEqualTo(one);
        given().get("/v1/adapters").then().body("data.id", hasItem("live")).body("data.id", hasItem("bot"));
    }

    @Test
    void aDownloadIsAPeftFolderWithACardThatCanBeUploadedAgain() throws IOException {
        String digest = published("source", TinyAdapter.of(3, 5)).extract().path("digest");
        byte[] tar = given().get("/v1/adapters/source/versions/1/download")
                .then()
                .statusCode(200)
                .contentType("application/x-tar")
                .header("Content-Disposition", containsString("source-1.tar"))
                .extract()
                .asByteArray();
        Map<String, String> files = new HashMap<>();
        try (TarArchiveInputStream in = new TarArchiveInputStream(new ByteArrayInputStream(tar))) {
            for (TarArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                files.put(entry.getName(), new String(in.readAllBytes(), StandardCharsets.ISO_8859_1));
            }
        }
        assertThat(files)
                .containsOnlyKeys(
                        "source-1/README.md",
                        "source-1/adapter_config.json",
                        "source-1/adapter_model.safetensors",
                        "source-1/nightshift.json");
        assertThat(files.get("source-1/README.md"))
                .contains("base_model: \"" + BASE + "\"", digest, "| data | uploaded |", "library_name: peft");
        upload("copy", "application/octet-stream", tar)
                .statusCode(200)
                .body("digest", equalTo(digest))
                .body("data", equalTo("uploaded"));
        assertThat(says("copy")).isEqualTo(says("source"));
        assertThat(given().head("/v1/adapters/source/download")
                        .then()
                        .statusCode(200)
                        .contentType("application/x-tar")
                        .header("Content-Disposition", containsString("source-1.tar"))
                        .extract()
                        .asByteArray())
                .isEmpty();
        error(given().get("/v1/adapters/nobody/download").then(), 404, "model_not_found");
        given().head("/v1/adapters/nobody/download").then().statusCode(404);
        error(given().post("/v1/adapters/source/download").then(), 405, "method_not_allowed");
    }

    @Test
    void aRecordThatIsNotTrueOfItsFilesIsRefused() throws IOException {
        TinyAdapter adapter = TinyAdapter.of(2, 3);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            TinyAdapter.entry(tar, "adapter_config.json", adapter.config());
            TinyAdapter.entry(tar, "adapter_model.safetensors", adapter.weights());
            String record =
                    "{\"format\":1,\"digest\":\"%s\",\"created\":\"2026-01-01T00:00:00Z\"}".formatted("0".repeat(64));
            TinyAdapter.entry(tar, "nightshift.json", record.getBytes(StandardCharsets.UTF_8));
        }
        error(upload("liar", "application/x-tar", bytes.toByteArray()), 400, null)
                .body("error.message", containsString("0".repeat(64)));
        error(given().get("/v1/adapters/liar").then(), 404, "model_not_found");
    }

    @Test
    void whatAnUploadMayNotBeIsRefusedAndLeavesNothing() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            TinyAdapter.entry(
                    tar,
                    "../../escaped/adapter_config.json",
                    TinyAdapter.of(2, 3).config());
        }
        error(upload("evil", "application/x-tar", bytes.toByteArray()), 400, null)
                .body("error.message", containsString("points out of the archive"));
        error(upload("evil", "application/x-tar", "no tar".getBytes(StandardCharsets.UTF_8)), 400, null);
        error(upload("evil", "application/x-tar", TinyAdapter.broken().tar()), 400, null)
                .body("error.message", containsString("NaN"))
                .body("error.message", containsString("lora_A"));
        error(upload("../evil", "application/x-tar", new byte[0]), 400, null).body("error.param", equalTo("name"));
        error(upload(BASE, "application/x-tar", TinyAdapter.of(2, 3).tar()), 409, "conflict");
        error(
                        given().contentType("application/x-tar")
                                .body(new byte[1])
                                .post("/v1/adapters")
                                .then(),
                        400,
                        null)
                .body("error.param", equalTo("name"));
        error(upload("evil", "application/json", "{}".getBytes(StandardCharsets.UTF_8)), 415, "unsupported_media_type");
        error(given().get("/v1/adapters/evil").then(), 404, "model_not_found");
        try (Stream<Path> left = Files.list(root())) {
            assertThat(left.map(path -> path.getFileName().toString())).noneMatch(name -> name.startsWith(".staged"));
        }
        assertThat(Files.exists(root().resolve("../../escaped"))).isFalse();
    }

    @Test
    void anUnknownNameIs404NamingWhatThereIsAndNeverTheBaseModelsAnswer() {
        published("known", TinyAdapter.of(2, 9));
        for (String name : List.of("unknown", "known@9", "ft:nothing")) {
            error(
                            json(
                                    "POST",
                                    "/v1/completions",
                                    "{\"model\":\"%s\",\"prompt\":\"x\",\"max_tokens\":1}".formatted(name)),
                            404,
                            "model_not_found")
                    .body("error.message", containsString(name))
                    .body("error.message", containsString(BASE))
                    .body("error.param", equalTo("model"));
            error(given().get("/v1/models/" + name).then(), 404, "model_not_found");
            error(given().get("/v1/adapters/" + name).then(), 404, "model_not_found");
            error(given().delete("/v1/models/" + name).then(), 404, "model_not_found");
        }
    }

    @Test
    void deletingTakesAnAdapterButNeverTheBaseModel() {
        published("gone", TinyAdapter.of(2, 11));
        given().delete("/v1/models/gone")
                .then()
                .statusCode(200)
                .body("id", equalTo("gone"))
                .body("object", equalTo("model"))
                .body("deleted", equalTo(true));
        error(given().get("/v1/models/gone").then(), 404, "model_not_found");
        given().get("/v1/models").then().body("data.id", not(hasItem("gone")));
        assertThat(Files.exists(root().resolve("gone"))).isFalse();
        error(given().delete("/v1/models/" + BASE).then(), 403, "permission_denied");
        given().get("/v1/models/" + BASE).then().statusCode(200);

        published("half", TinyAdapter.of(2, 12));
        published("half", TinyAdapter.of(2, 13));
        given().delete("/v1/adapters/half@2").then().statusCode(200).body("object", equalTo("adapter"));
        given().get("/v1/adapters/half").then().body("version.id", equalTo("half@1"));
    }

    private static ValidatableResponse load(String name, String path, boolean inPlace) {
        return json(
                "POST",
                "/v1/load_lora_adapter",
                "{\"lora_name\":\"%s\",\"lora_path\":\"%s\",\"load_inplace\":%s}".formatted(name, path, inPlace));
    }

    @Test
    void vllmsRoutesLoadReplaceAndUnload() throws IOException {
        // not a name of an adapter, so the folder is not served by itself
        Path folder = root().resolve("vllm files");
        TinyAdapter.of(2, 21).write(folder);
        load("loaded", "vllm files", false)
                .statusCode(200)
                .contentType("text/plain")
                .body(containsString("loaded"));
        List<Float> before = says("loaded");
        assertThat(before).isNotEqualTo(says(BASE));
        given().get("/v1/models").then().body("data.find { it.id == 'loaded' }.parent", equalTo(BASE));
        error(load("loaded", "vllm files", false), 400, null)
                .body("error.message", containsString("loaded already"))
                .body("error.param", equalTo("lora_name"));
        TinyAdapter.of(2, 22).write(folder);
        load("loaded", folder.toAbsolutePath().toString(), true).statusCode(200);
        assertThat(says("loaded")).isNotEqualTo(before);
        json("POST", "/v1/unload_lora_adapter", "{\"lora_name\":\"loaded\"}")
                .statusCode(200)
                .contentType("text/plain");
        error(json("POST", "/v1/unload_lora_adapter", "{\"lora_name\":\"loaded\"}"), 404, "not_found");
        error(given().get("/v1/models/loaded").then(), 404, "model_not_found");
        assertThat(folder.resolve("adapter_config.json")).exists();
    }

    @Test
    void vllmsRoutesRefuseWhatTheyMust() throws IOException {
        error(json("POST", "/v1/load_lora_adapter", "{\"lora_path\":\"x\"}"), 400, null)
                .body("error.param", equalTo("lora_name"));
        error(json("POST", "/v1/load_lora_adapter", "{\"lora_name\":\"x\"}"), 400, null)
                .body("error.param", equalTo("lora_path"));
        error(json("POST", "/v1/unload_lora_adapter", "{}"), 400, null).body("error.param", equalTo("lora_name"));
        TinyAdapter.broken().write(root().resolve("nan files"));
        error(load("nan", "nan files", false), 400, null).body("error.message", containsString("NaN"));
        error(given().get("/v1/models/nan").then(), 404, "model_not_found");
    }

    @ParameterizedTest
    @ValueSource(strings = {"not there", "../outside", "/etc", "a/../../outside", "linked files", ".", ""})
    void aPathThatIsNotBelowTheRootIs404AndSaysNothingOfOtherPlaces(String path) throws IOException {
        Path outside = root().toAbsolutePath().resolveSibling("outside");
        TinyAdapter.of(2, 1).write(outside);
        Path link = root().resolve("linked files");
        if (!Files.exists(link)) {
            Files.createSymbolicLink(link, outside);
        }
        error(load("escape", path, false), 404, "not_found")
                .body("error.param", equalTo("lora_path"))
                .body(
                        "error.message",
                        not(containsString(root().toAbsolutePath().toString())));
        error(given().get("/v1/models/escape").then(), 404, "model_not_found");
    }

    @Test
    void ofTwoLoadsOfOneNameAtOnceOneWins() throws IOException {
        TinyAdapter.of(2, 31).write(root().resolve("race files"));
        List<CompletableFuture<Integer>> loads = Stream.generate(() -> CompletableFuture.supplyAsync(
                        () -> load("race", "race files", false).extract().statusCode()))
                .limit(4)
                .toList();
        List<Integer> statuses =
                loads.stream().map(CompletableFuture::join).sorted().toList();
        assertThat(statuses).containsExactly(200, 400, 400, 400);
        given().get("/v1/adapters/race/versions").then().body("data", hasSize(1));
    }

    @Test
    void sumsReductionsAndMergedModelsArePublished() throws IOException {
        published("left", TinyAdapter.of(4, 41));
        published("right", TinyAdapter.of(6, 42));
        json(
                        "POST",
                        "/v1/adapters/both/compose",
                        "{\"parts\":[{\"model\":\"left\",\"weight\":0.5},{\"model\":\"right@1\",\"weight\":0.5}]}")
                .statusCode(200)
                .body("version.id", equalTo("both@1"))
                .body("version.rank", equalTo(10))
                .body("version.data", containsString("0.5 left@1"))
                .body("relative_error", equalTo(0f));
        assertThat(says("both")).isNotEqualTo(says("left"));
        json("POST", "/v1/adapters/both/reduce", "{\"rank\":3,\"name\":\"small\"}")
                .statusCode(200)
                .body("version.id", equalTo("small@1"))
                .body("version.rank", equalTo(3));
        error(json("POST", "/v1/adapters/both/reduce", "{}"), 400, null).body("error.param", equalTo("rank"));
        error(json("POST", "/v1/adapters/x/compose", "{\"parts\":[{\"model\":\"nobody\"}]}"), 404, "model_not_found");
        error(json("POST", "/v1/adapters/left/merge", "{\"weights\":\"other\"}"), 400, null)
                .body("error.param", equalTo("weights"));
        String export = json("POST", "/v1/adapters/left/merge", "{}")
                .statusCode(200)
                .body("files", hasItem("config.json"))
                .body("export", startsWith(BASE + "-left-1"))
                .extract()
                .path("export");
        Path folder = Path.of(ConfigProvider.getConfig().getValue("nightshift.data", String.class), "exports", export);
        assertThat(Files.readString(folder.resolve("README.md"))).contains("left@1", BASE, "dequantised");
    }

    @Test
    void aVersionThatCannotBeServedIsListedWithItsReasonAndAnswersWithIt() throws Exception {
        Path staged = root().resolve(".incoming");
        TinyAdapter.broken().write(staged);
        Files.move(staged, root().resolve("failing"));
        for (int i = 0; i < 200 && given().get("/v1/adapters/failing").statusCode() != 200; i++) {
            Thread.sleep(100);
        }
        given().get("/v1/adapters/failing").then().statusCode(200).body("version.state", equalTo("registered"));
        for (int i = 0; i < 2; i++) {
            error(
                            json(
                                    "POST",
                                    "/v1/completions",
                                    "{\"model\":\"failing\",\"prompt\":\"x\",\"max_tokens\":1}"),
                            400,
                            null)
                    .body("error.param", equalTo("model"))
                    .body("error.message", containsString("NaN"));
        }
        given().get("/v1/adapters")
                .then()
                .body("data.find { it.id == 'failing' }.version.state", equalTo("failed"))
                .body("data.find { it.id == 'failing' }.version.reason", containsString("NaN"));
        given().get("/v1/adapters/failing/versions")
                .then()
                .body("data[0].state", equalTo("failed"))
                .body("data[0].reason", containsString("lora_A"));
        assertThat(says(BASE)).isEqualTo(says(BASE));
    }
}
