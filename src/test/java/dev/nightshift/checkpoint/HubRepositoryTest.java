package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HubRepositoryTest {
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    private Path home;

    private HubServer server;

    @BeforeEach
    void start() {
        server = new HubServer();
        EmbeddedFiles model = new EmbeddedFiles();
        for (String file : model.list("")) {
            server.files.put(file, model.read(file).orElseThrow());
        }
        for (String unwanted : List.of(
                "README.md",
                "consolidated.safetensors",
                "original/params.json",
                "pytorch_model.bin",
                "model.gguf",
                ".gitattributes")) {
            server.files.put(unwanted, new byte[10]);
        }
        server.files.put("additional_chat_templates/tool_use.jinja", "tools".getBytes(StandardCharsets.UTF_8));
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private HubSettings settings(String... more) {
        Map<String, String> environment =
                new java.util.HashMap<>(Map.of("HF_HOME", home.toString(), "HF_ENDPOINT", server.endpoint()));
        for (int i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return HubSettings.of(environment);
    }

    private HubRepository repository(String... environment) {
        return new HubRepository(settings(environment), HubServer.ID, "main");
    }

    private Path modelFolder() {
        return home.resolve("hub/models--org--tiny");
    }

    private List<String> requestsTo(String prefix) {
        return server.requests.stream().filter(line -> line.startsWith(prefix)).toList();
    }

    @Test
    void downloadsWhatIsNeededIntoTheLayoutOfHuggingfaceHub() throws IOException {
        List<String> reported = new ArrayList<>();
        Path snapshot = repository().snapshot((what, done, total) -> reported.add(what + " " + done + "/" + total));
        assertThat(snapshot).isEqualTo(modelFolder().resolve("snapshots").resolve(HubServer.COMMIT));
        assertThat(modelFolder().resolve("refs/main")).hasContent(HubServer.COMMIT);
        try (Stream<Path> all = Files.walk(snapshot)) {
            assertThat(all.filter(Files::isRegularFile)
                            .map(file -> snapshot.relativize(file).toString()))
                    .containsExactlyInAnyOrder(
                            "additional_chat_templates/tool_use.jinja",
                            "chat_template.jinja",
                            "config.json",
                            "generation_config.json",
                            WEIGHTS,
                            "tokenizer.json",
                            "tokenizer_config.json");
        }
        byte[] weights = server.files.get(WEIGHTS);
        assertThat(Files.readSymbolicLink(snapshot.resolve(WEIGHTS)))
                .isEqualTo(Path.of("../../blobs", HubServer.sha256(weights)));
        assertThat(Files.readSymbolicLink(snapshot.resolve("additional_chat_templates/tool_use.jinja")))
                .isEqualTo(Path.of("../../../blobs", HubServer.gitSha1("tools".getBytes(StandardCharsets.UTF_8))));
        assertThat(Files.readAllBytes(snapshot.resolve(WEIGHTS))).isEqualTo(weights);
        assertThat(reported).contains(WEIGHTS + " " + weights.length + "/" + weights.length);
        try (Stream<Path> blobs = Files.list(modelFolder().resolve("blobs"))) {
            assertThat(blobs).noneMatch(blob -> blob.toString().endsWith(".incomplete"));
        }
    }

    @Test
    void opensWhatItDownloaded() {
        LoadOptions options = new LoadOptions(Quantisation.NF4, settings(), home);
        try (Checkpoint checkpoint =
                Checkpoint.open(ModelSource.parse(Optional.of("org/tiny@v1")), options, LoadProgress.SILENT)) {
            assertThat(checkpoint.name()).isEqualTo("org/tiny");
            assertThat(checkpoint.config().layers()).isEqualTo(12);
            assertThat(checkpoint.tokenizer().templates().byName()).containsOnlyKeys("default", "tool_use");
        }
        assertThat(modelFolder().resolve("refs/v1")).hasContent(HubServer.COMMIT);
    }

    @Test
    void goesOnWhereTheConnectionWasCut() throws IOException {
        int half = server.files.get(WEIGHTS).length / 2;
        server.cuts.addAll(List.of(half, 1000));
        Path snapshot = repository().snapshot(LoadProgress.SILENT);
        assertThat(Files.readAllBytes(snapshot.resolve(WEIGHTS))).isEqualTo(server.files.get(WEIGHTS));
        List<String> bodies = requestsTo("storage GET");
        assertThat(bodies).hasSize(3);
        int second = Integer.parseInt(bodies.get(1).replaceAll(".*bytes=(\\d+)-.*", "$1"));
        int third = Integer.parseInt(bodies.get(2).replaceAll(".*bytes=(\\d+)-.*", "$1"));
        // The client may lose what it had received but not yet handed over when the connection broke.
        assertThat(second).isBetween(half - 200_000, half);
        assertThat(third).isBetween(second, second + 1000);
    }

    @Test
    void goesOnWithWhatAnEarlierProcessLeft() throws IOException {
        byte[] weights = server.files.get(WEIGHTS);
        Path incomplete = modelFolder().resolve("blobs").resolve(HubServer.sha256(weights) + ".incomplete");
        Files.createDirectories(incomplete.getParent());
        Files.write(incomplete, java.util.Arrays.copyOf(weights, 5_000_000));
        Path snapshot = repository().snapshot(LoadProgress.SILENT);
        assertThat(Files.readAllBytes(snapshot.resolve(WEIGHTS))).isEqualTo(weights);
        assertThat(requestsTo("storage GET")).singleElement().asString().endsWith(" bytes=5000000-");
    }

    @Test
    @Timeout(30)
    void aBodyThatFallsSilentIsAskedForAgain() throws IOException {
        server.stalls.set(1);
        Path snapshot = repository("HF_HUB_DOWNLOAD_TIMEOUT", "1").snapshot(LoadProgress.SILENT);
        assertThat(Files.readAllBytes(snapshot.resolve(WEIGHTS))).isEqualTo(server.files.get(WEIGHTS));
        assertThat(requestsTo("storage GET")).hasSize(2).last().asString().contains(" bytes=");
    }

    @Test
    void givesUpAfterFiveTriesWithoutProgress() {
        server.cuts.addAll(List.of(0, 0, 0, 0, 0, 0, 0, 0));
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .isInstanceOf(ServingException.class)
                .hasMessageStartingWith("download of model.safetensors of org/tiny failed");
        assertThat(requestsTo("storage GET")).hasSize(5);
    }

    @Test
    void aFileLargerThanTheDiskIsRefusedBeforeItsFirstByte() {
        server.claimed.put(WEIGHTS, Long.MAX_VALUE / 2);
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .isInstanceOfSatisfying(
                        ServingException.class,
                        failure -> assertThat(failure.code()).isEqualTo(ErrorCode.INSUFFICIENT_STORAGE))
                .hasMessageStartingWith("model.safetensors of org/tiny needs " + Long.MAX_VALUE / 2 + " bytes more, ")
                .hasMessageContaining(home.toString());
        assertThat(requestsTo("storage GET")).isEmpty();
    }

    /** Every write to {@code /dev/full} fails as one to a full disk does. */
    @Test
    void aDiskThatFillsUpMeanwhileIsNamedWithTheBytesNeededAndNothingCountsAsComplete() throws IOException {
        Path full = Path.of("/dev/full");
        Assumptions.assumeTrue(Files.exists(full), "the system has no /dev/full");
        byte[] weights = server.files.get(WEIGHTS);
        Path blob = modelFolder().resolve("blobs").resolve(HubServer.sha256(weights));
        Path incomplete = blob.resolveSibling(blob.getFileName() + ".incomplete");
        Files.createDirectories(blob.getParent());
        Files.createSymbolicLink(incomplete, full);
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .isInstanceOfSatisfying(
                        ServingException.class,
                        failure -> assertThat(failure.code()).isEqualTo(ErrorCode.INSUFFICIENT_STORAGE))
                .hasMessageStartingWith("model.safetensors of org/tiny needs " + weights.length + " bytes more, ")
                .hasMessageContaining(home.toString());
        assertThat(requestsTo("storage GET"))
                .as("a full disk is no reason to ask again")
                .hasSize(1);
        assertThat(blob).doesNotExist();
        assertThat(modelFolder().resolve("snapshots").resolve(HubServer.COMMIT).resolve(WEIGHTS))
                .doesNotExist();
        assertThatThrownBy(() -> repository("HF_HUB_OFFLINE", "1").snapshot(LoadProgress.SILENT))
                .isInstanceOf(ServingException.class);
        Files.delete(incomplete);
        Path snapshot = repository().snapshot(LoadProgress.SILENT);
        assertThat(Files.readAllBytes(snapshot.resolve(WEIGHTS))).isEqualTo(weights);
    }

    @Test
    void damageOnTheWayIsFoundByTheChecksum() {
        for (String file : List.of("tokenizer.json", WEIGHTS)) {
            byte[] damaged = server.files.get(file).clone();
            damaged[damaged.length / 2] ^= 1;
            server.damaged.clear();
            server.damaged.put(file, damaged);
            assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining(file + " of org/tiny arrived damaged");
        }
        server.damaged.clear();
        assertThat(repository().snapshot(LoadProgress.SILENT)).isDirectory();
    }

    @Test
    void theTokenIsSentToTheHubAlone() throws IOException {
        server.requiredToken = "hf_secret";
        Files.writeString(home.resolve("token"), "hf_secret\n");
        repository().snapshot(LoadProgress.SILENT);
        assertThat(requestsTo("hub")).isNotEmpty().allMatch(line -> line.endsWith(" token"));
        assertThat(requestsTo("storage")).isNotEmpty().noneMatch(line -> line.endsWith(" token"));
    }

    @Test
    void asksTheHubAgainButDownloadsNothingTwice() {
        repository().snapshot(LoadProgress.SILENT);
        server.requests.clear();
        repository().snapshot(LoadProgress.SILENT);
        assertThat(server.requests).containsExactly("hub GET /api/models/org/tiny/revision/main");
        server.requests.clear();
        new HubRepository(settings(), HubServer.ID, HubServer.COMMIT).snapshot(LoadProgress.SILENT);
        assertThat(server.requests).isEmpty();
    }

    @Test
    void offlineFindsWhatIsCachedAndAsksNobody() {
        assertThatThrownBy(() -> repository("HF_HUB_OFFLINE", "1").snapshot(LoadProgress.SILENT))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining(
                        "HF_HUB_OFFLINE is set and model org/tiny, revision main, is not complete in the cache");
        Path downloaded = repository().snapshot(LoadProgress.SILENT);
        server.requests.clear();
        assertThat(repository("HF_HUB_OFFLINE", "1").snapshot(LoadProgress.SILENT))
                .isEqualTo(downloaded);
        assertThat(server.requests).isEmpty();
    }

    @Test
    void anUnreachableHubIsNoMatterOnceAllIsCached() {
        Path downloaded = repository().snapshot(LoadProgress.SILENT);
        server.refusal = 503;
        assertThat(repository().snapshot(LoadProgress.SILENT)).isEqualTo(downloaded);
        HubSettings nowhere = settings("HF_ENDPOINT", "http://127.0.0.1:1");
        assertThat(new HubRepository(nowhere, HubServer.ID, "main").snapshot(LoadProgress.SILENT))
                .isEqualTo(downloaded);
        assertThatThrownBy(() -> new HubRepository(nowhere, "org/other", "main").snapshot(LoadProgress.SILENT))
                .hasMessageContaining("http://127.0.0.1:1 can't be reached")
                .hasMessageContaining("org/other");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | ''           | PERMISSION_DENIED | org/tiny does not exist at %s, or needs a token in HF_TOKEN",
                "401 | GatedRepo    | PERMISSION_DENIED | org/tiny is gated: accept its terms at %s/org/tiny",
                "403 | ''           | PERMISSION_DENIED | org/tiny is gated: accept its terms at %s/org/tiny",
                "404 | RepoNotFound | NOT_FOUND         | %s has no model org/tiny",
                "404 | RevisionNotFound | NOT_FOUND     | %s has no revision main of org/tiny",
                "500 | ''           | UNAVAILABLE       | %s can't be reached",
            })
    void refusalsOfTheHubSayWhatToDo(int status, String error, ErrorCode code, String message) {
        server.refusal = status;
        server.errorCode = error;
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(message.formatted(server.endpoint()));
    }

    @Test
    void aRepositoryWithoutSafetensorsIsRefused() {
        server.files.remove(WEIGHTS);
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .hasMessage(
                        "org/tiny has neither model.safetensors nor model.safetensors.index.json; other formats are not supported");
    }

    @Test
    void shardsAreThoseOfTheIndexAndNothingOutsideTheFolder() throws IOException {
        byte[] weights = server.files.remove(WEIGHTS);
        server.files.put("model-00001-of-00001.safetensors", weights);
        server.files.put("model-fp32-00001-of-00001.safetensors", weights);
        server.files.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"model-00001-of-00001.safetensors\"}}".getBytes(StandardCharsets.UTF_8));
        Path snapshot = repository().snapshot(LoadProgress.SILENT);
        assertThat(Files.readAllBytes(snapshot.resolve("model-00001-of-00001.safetensors")))
                .isEqualTo(weights);
        assertThat(snapshot.resolve("model-fp32-00001-of-00001.safetensors")).doesNotExist();
        server.files.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"../../evil.safetensors\"}}".getBytes(StandardCharsets.UTF_8));
        Files.delete(snapshot.resolve("model.safetensors.index.json"));
        assertThatThrownBy(() -> repository().snapshot(LoadProgress.SILENT))
                .hasMessageContaining("names the file '../../evil.safetensors'");
    }

    @Test
    void readsTheEnvironmentAsThePythonLibraryDoes() throws IOException {
        HubSettings plain = HubSettings.of(Map.of("HOME", "/people/a"));
        assertThat(plain.endpoint()).isEqualTo(URI.create("https://huggingface.co"));
        assertThat(plain.cache()).isEqualTo(Path.of("/people/a/.cache/huggingface/hub"));
        assertThat(plain.offline()).isFalse();
        assertThat(plain.token()).isEmpty();
        assertThat(HubSettings.of(Map.of("XDG_CACHE_HOME", "/x")).cache()).isEqualTo(Path.of("/x/huggingface/hub"));
        assertThat(HubSettings.of(Map.of("HF_HOME", "/h")).cache()).isEqualTo(Path.of("/h/hub"));
        assertThat(HubSettings.of(Map.of("HF_HOME", "/h", "HF_HUB_CACHE", "/c")).cache())
                .isEqualTo(Path.of("/c"));
        assertThat(HubSettings.of(Map.of("HF_HUB_OFFLINE", "ON")).offline()).isTrue();
        assertThat(HubSettings.of(Map.of("HF_HUB_OFFLINE", "0")).offline()).isFalse();
        assertThat(HubSettings.of(Map.of("TRANSFORMERS_OFFLINE", "1")).offline())
                .isTrue();
        assertThat(HubSettings.of(Map.of("HOME", "/people/a", "HF_HOME", "~/hf"))
                        .cache())
                .isEqualTo(Path.of("/people/a/hf/hub"));
        assertThat(HubSettings.of(Map.of("HF_HUB_DOWNLOAD_TIMEOUT", "60")).stall())
                .hasMinutes(1);
        assertThatThrownBy(() -> HubSettings.of(Map.of("HF_HUB_DOWNLOAD_TIMEOUT", "soon")))
                .hasMessage("HF_HUB_DOWNLOAD_TIMEOUT is 'soon', whole seconds expected");
        Files.writeString(home.resolve("token"), "from-file\n");
        Map<String, String> withFile = Map.of("HF_HOME", home.toString());
        assertThat(HubSettings.of(withFile).token()).contains("from-file");
        HubSettings secret = HubSettings.of(Map.of("HF_HOME", home.toString(), "HF_TOKEN", "from-env"));
        assertThat(secret.token()).contains("from-env");
        assertThat(secret.toString()).doesNotContain("from-env");
    }
}
