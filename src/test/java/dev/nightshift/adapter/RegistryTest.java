package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Names, versions and the folder, without an engine. */
@Timeout(120)
class RegistryTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path root;

    private AdapterScene scene;
    private AdapterRegistry registry;

    @BeforeEach
    void open() {
        scene = AdapterScene.open(root, 3, 4 * MIB, 4 * MIB);
        registry = scene.registry;
    }

    @AfterEach
    void close() {
        scene.close();
    }

    private void reopen() {
        scene.close();
        open();
    }

    private AdapterVersion publish(String name, String golden) {
        return registry.publish(
                scene.staged(golden),
                name,
                new AdapterOrigin("", "", "ftjob-1", Instant.now(), "a.jsonl", Map.of("loss", 1.5)));
    }

    private static void refused(ErrorCode code, ThrowingCallable call, String... words) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(words);
    }

    private static void eventually(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("within 20 s").isLessThan(end);
            Thread.sleep(20);
        }
    }

    private List<String> ids() {
        return registry.list().stream().map(AdapterView::id).toList();
    }

    private String versionOf(String id) {
        return registry.find(id).orElseThrow().version().id();
    }

    private String leased(String id) {
        try (AdapterLease lease = registry.acquire(id)) {
            return lease.versionId();
        }
    }

    @Test
    void publishesVersionsAndANameMeansTheNewest() {
        AdapterVersion first = publish("bot", "plain");
        AdapterVersion second = publish("bot", "rslora");
        assertThat(first.number()).isEqualTo(1);
        assertThat(second.id()).isEqualTo("bot@2");
        assertThat(first.digest()).matches("[0-9a-f]{64}").isNotEqualTo(second.digest());
        assertThat(leased("bot")).isEqualTo("bot@2");
        assertThat(leased("bot@1")).isEqualTo("bot@1");
        assertThat(ids()).containsExactly("bot");
        assertThat(registry.versions("bot")).extracting(AdapterVersion::number).containsExactly(2, 1);
        assertThat(registry.folder("bot")).isEqualTo(root.resolve("bot/2"));
        assertThat(second.state()).isEqualTo(AdapterState.READY);
        assertThat(second.origin().baseDigest()).isEqualTo(AdapterScene.BASE_DIGEST);
        assertThat(second.origin().evaluation()).containsEntry("loss", 1.5);
        assertThat(second.rank()).isEqualTo(16);
    }

    @Test
    void whatWasPublishedNamedAndRolledBackIsTheSameAfterARestart() {
        publish("bot", "plain");
        AdapterVersion second = publish("bot", "rslora");
        publish("other", "patterns");
        registry.alias("ft:base:nightshift:bot:ftjob-1", "bot@1");
        registry.alias("prod", "other");
        registry.rollback("bot");
        reopen();
        assertThat(ids()).containsExactly("bot", "ft:base:nightshift:bot:ftjob-1", "other", "prod");
        assertThat(leased("bot")).isEqualTo("bot@1");
        assertThat(leased("bot@2")).isEqualTo("bot@2");
        assertThat(leased("ft:base:nightshift:bot:ftjob-1")).isEqualTo("bot@1");
        assertThat(leased("prod")).isEqualTo("other@1");
        AdapterVersion read = registry.find("bot@2").orElseThrow().version();
        assertThat(read.digest()).isEqualTo(second.digest());
        assertThat(read.origin()).isEqualTo(second.origin());
        assertThat(read.foreign()).isFalse();
    }

    @Test
    void rollbackGoesBackStepByStepAndAPublishTakesTheNameForwardAgain() {
        publish("bot", "plain");
        publish("bot", "rslora");
        publish("bot", "patterns");
        assertThat(registry.rollback("bot").version().id()).isEqualTo("bot@2");
        assertThat(registry.rollback("bot").version().id()).isEqualTo("bot@1");
        refused(ErrorCode.CONFLICT, () -> registry.rollback("bot"), "bot");
        registry.alias("bot", "bot@2");
        assertThat(versionOf("bot")).isEqualTo("bot@2");
        assertThat(publish("bot", "some_layers").number()).isEqualTo(4);
        assertThat(versionOf("bot")).isEqualTo("bot@4");
        assertThat(registry.rollback("bot").version().id()).isEqualTo("bot@2");
        registry.alias("bot", "bot");
        assertThat(versionOf("bot")).isEqualTo("bot@4");
    }

    @Test
    void anAliasIsSwappedAtOnceAndRollsBack() {
        publish("a", "plain");
        publish("b", "rslora");
        AdapterView view = registry.alias("prod", "a@1");
        assertThat(view.alias()).isTrue();
        assertThat(view.pinned()).isTrue();
        registry.alias("prod", "b");
        assertThat(leased("prod")).isEqualTo("b@1");
        publish("b", "patterns");
        assertThat(leased("prod")).isEqualTo("b@2");
        assertThat(registry.rollback("prod").version().id()).isEqualTo("a@1");
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.alias("prod", "nobody@1"), "nobody@1");
        refused(ErrorCode.CONFLICT, () -> registry.alias(AdapterScene.BASE, "a"), AdapterScene.BASE);
        registry.delete("prod");
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire("prod"), "prod");
        assertThat(leased("a")).isEqualTo("a@1");
    }

    @Test
    void unknownNamesAreNotFoundAndBadNamesRefused() {
        publish("bot", "plain");
        for (String id : List.of("nobody", "bot@2", "bot@0", "bot@", "@1", "bot@x", "", "BOT", "../bot", "ft:bot")) {
            refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire(id), "'" + id + "'");
        }
        for (String name : List.of("", ".hidden", "a/b", "../up", "a b", "x".repeat(65), "-a", "ä")) {
            refused(ErrorCode.INVALID_REQUEST, () -> publish(name, "plain"), name);
        }
        refused(ErrorCode.CONFLICT, () -> publish(AdapterScene.BASE, "plain"), "base model");
    }

    @Test
    void aBadAdapterIsRefusedWholeAndLeavesNothing() throws IOException {
        publish("bot", "plain");
        Path staged = scene.staged("rslora");
        Files.writeString(
                staged.resolve("adapter_config.json"),
                Files.readString(staged.resolve("adapter_config.json"))
                        .replace("\"lora_bias\": false", "\"lora_bias\": true"));
        refused(
                ErrorCode.INVALID_REQUEST,
                () -> registry.publish(staged, "bot", AdapterOrigin.foreign(Instant.now())),
                "bot",
                "lora_bias");
        assertThat(staged).doesNotExist();
        assertThat(leased("bot")).isEqualTo("bot@1");
        try (Stream<Path> entries = Files.list(root)) {
            assertThat(entries.map(path -> path.getFileName().toString())).containsOnly("bot", ".names");
        }
    }

    @Test
    void aFolderDroppedInIsPickedUpAndADeletedOneRetires() throws Exception {
        Path outside = AdapterScene.copy(AdapterScene.golden("plain"), root.resolve(".incoming"));
        Files.move(outside, root.resolve("dropped"));
        eventually(() -> registry.find("dropped").isPresent());
        assertThat(leased("dropped")).isEqualTo("dropped@1");
        assertThat(registry.find("dropped").orElseThrow().version().foreign()).isTrue();
        AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("dropped/2"));
        eventually(() -> versionOf("dropped").equals("dropped@2"));
        DurableFiles.deleteTree(root.resolve("dropped"));
        eventually(() -> registry.find("dropped").isEmpty());
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire("dropped"), "dropped");
        assertThat(registry.hostBytes()).isZero();
    }

    @Test
    void aFolderWhoseFilesAreReplacedIsANewVersionOfTheSameNumber() throws IOException {
        AdapterScene.copyGolden(root, "plain");
        registry.scan();
        String before;
        try (AdapterLease lease = registry.acquire("plain")) {
            before = lease.digest();
            AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("plain"));
            registry.scan();
            assertThat(lease.digest()).isEqualTo(before);
            assertThat(registry.versions("plain"))
                    .extracting(AdapterVersion::state)
                    .containsExactlyInAnyOrder(AdapterState.REGISTERED, AdapterState.RETIRING);
        }
        try (AdapterLease lease = registry.acquire("plain@1")) {
            assertThat(lease.digest()).isNotEqualTo(before);
        }
        assertThat(registry.versions("plain")).hasSize(1);
    }

    @Test
    void adaptersOfAnotherBaseArePassedOver() throws IOException {
        AdapterVersion ours = publish("bot", "plain");
        Path record = root.resolve("bot/1/nightshift.json");
        Path elsewhere = AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("sample/1"));
        Files.writeString(
                elsewhere.resolve("nightshift.json"),
                Files.readString(record).replace(AdapterScene.BASE_DIGEST, "c".repeat(64)));
        reopen();
        assertThat(ids()).containsExactly("bot");
        assertThat(leased("bot")).isEqualTo(ours.id());
        refused(ErrorCode.INVALID_REQUEST, () -> registry.load("sample", "sample/1", false), "digest");
    }

    @Test
    void aVersionWhoseFilesAreNotWhatWasPublishedIsRefusedWithItsReasonEachTime() throws IOException {
        publish("bot", "plain");
        scene.close();
        Files.copy(
                AdapterScene.golden("some_layers").resolve("adapter_model.safetensors"),
                root.resolve("bot/1/adapter_model.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        Files.copy(
                AdapterScene.golden("some_layers").resolve("adapter_config.json"),
                root.resolve("bot/1/adapter_config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        open();
        for (int i = 0; i < 2; i++) {
            refused(ErrorCode.INVALID_REQUEST, () -> registry.acquire("bot"), "bot@1", "digest");
        }
        assertThat(registry.find("bot").orElseThrow().version().state()).isEqualTo(AdapterState.FAILED);
        publish("bot", "rslora");
        assertThat(leased("bot")).isEqualTo("bot@2");
    }

    @Test
    void twentyRequestsForOneVersionShareOneLoad() throws Exception {
        AdapterScene.copyGolden(root, "dora");
        registry.scan();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<AdapterLease>> leases = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                leases.add(threads.submit(() -> registry.acquire("dora")));
            }
            for (Future<AdapterLease> lease : leases) {
                lease.get().close();
            }
        }
        // A second reading would be an IllegalStateException of the host copies, so this is about what is kept.
        AdapterVersion version = registry.find("dora").orElseThrow().version();
        assertThat(version.leases()).isZero();
        assertThat(version.state()).isEqualTo(AdapterState.READY);
        assertThat(registry.hostBytes()).isLessThan(2 * 246_912L);
    }

    @Test
    void loadServesAFolderBelowTheRootAndNothingElse() throws IOException {
        AdapterScene.copyGolden(root, "plain");
        registry.scan();
        AdapterVersion loaded = registry.load("mine", "plain", false);
        assertThat(leased("mine")).isEqualTo(loaded.id());
        refused(ErrorCode.CONFLICT, () -> registry.load("mine", "plain", false), "mine", "load_inplace");
        Path outside = AdapterScene.copy(AdapterScene.golden("rslora"), Files.createTempDirectory("outside"));
        Files.createSymbolicLink(root.resolve("link"), outside);
        for (String path : List.of("../x", outside.toString(), "link", ".", "", "nowhere", "/etc")) {
            refused(ErrorCode.INVALID_REQUEST, () -> registry.load("evil", path, false), "below nightshift.adapters");
        }
        registry.unload("mine");
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire("mine"), "mine");
        refused(ErrorCode.NOT_FOUND, () -> registry.unload("mine"), "mine");
        assertThat(root.resolve("plain/adapter_model.safetensors")).exists();
        DurableFiles.deleteTree(outside);
    }

    @Test
    void loadInPlaceReadsTheFilesAgainUnderTheSameName() {
        AdapterScene.copyGolden(root, "plain");
        AdapterVersion before = registry.load("bot", "plain", false);
        AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("plain"));
        AdapterVersion after = registry.load("bot", "plain", true);
        assertThat(after.digest()).isNotEqualTo(before.digest());
        assertThat(leased("bot")).isEqualTo(after.id());
        assertThat(registry.versions("bot")).hasSize(1);
    }

    @Test
    void unloadHidesANameUntilItIsLoadedAgainAndKeepsItsFiles() {
        publish("bot", "plain");
        registry.unload("bot");
        assertThat(ids()).isEmpty();
        assertThat(registry.hostBytes()).isZero();
        registry.scan();
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire("bot"), "bot");
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.acquire("bot@1"), "bot@1");
        assertThat(registry.load("bot", "bot/1", false).id()).isEqualTo("bot@1");
        assertThat(leased("bot")).isEqualTo("bot@1");
    }

    @Test
    void deleteTakesVersionsFromDiskAndTheirNumbersAreNotGivenAgain() {
        publish("bot", "plain");
        publish("bot", "rslora");
        registry.delete("bot@2");
        assertThat(leased("bot")).isEqualTo("bot@1");
        assertThat(root.resolve("bot/2")).doesNotExist();
        assertThat(publish("bot", "patterns").number()).isEqualTo(3);
        registry.delete("bot");
        assertThat(root.resolve("bot")).doesNotExist();
        assertThat(ids()).isEmpty();
        refused(ErrorCode.MODEL_NOT_FOUND, () -> registry.delete("bot"), "bot");
        reopen();
        assertThat(ids()).isEmpty();
        assertThat(publish("bot", "plain").number()).isEqualTo(4);
    }

    @Test
    void aDirectFolderIsVersionOneBesideNumberedOnes() {
        AdapterScene.copyGolden(root, "plain");
        registry.scan();
        assertThat(publish("plain", "rslora").number()).isEqualTo(2);
        registry.delete("plain@1");
        assertThat(leased("plain")).isEqualTo("plain@2");
        assertThat(root.resolve("plain/adapter_config.json")).doesNotExist();
        assertThat(root.resolve("plain/2/adapter_config.json")).exists();
    }

    @Test
    void aCheckpointShowsUnderItsAliasAloneAndGoesWithIt() {
        String alias = "ft:llama:nightshift::ftjob-00ff:ckpt-step-3";
        publish("ftjob-00ff-step-3", "plain");
        registry.alias(alias, "ftjob-00ff-step-3@1");
        assertThat(ids()).contains(alias).doesNotContain("ftjob-00ff-step-3");
        registry.delete(alias);
        assertThat(registry.find(alias)).isEmpty();
        assertThat(registry.find("ftjob-00ff-step-3")).isEmpty();
        assertThat(root.resolve("ftjob-00ff-step-3").resolve("1")).doesNotExist();
    }

    @Test
    void leftoversOfAnInterruptedPublishOrDeleteAreRemovedAtStart() throws IOException {
        Path staged = scene.staged("plain");
        Files.createDirectories(root.resolve(".deleted-1/x"));
        reopen();
        assertThat(staged).doesNotExist();
        assertThat(root.resolve(".deleted-1")).doesNotExist();
        assertThat(ids()).isEmpty();
    }

    @Test
    void anAdapterLargerThanTheRoomForAllSlotsIsRefusedByItsSize() {
        scene.close();
        scene = AdapterScene.open(root, 3, 256 << 10, 4 * MIB);
        registry = scene.registry;
        refused(ErrorCode.INVALID_REQUEST, () -> publish("big", "r64"), "big", "1,799,472", "262,144");
        assertThat(publish("small", "plain").number()).isEqualTo(1);
    }
}
