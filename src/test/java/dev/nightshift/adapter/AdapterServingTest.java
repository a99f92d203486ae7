package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.engine.Sequence;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Adapters that come and go under a running engine; the faults that other servers had (research/serving.md, 6 A and B). */
@Timeout(180)
class AdapterServingTest {
    private static final long MIB = 1 << 20;
    private static final int TOKENS = 6;

    @TempDir
    Path root;

    private AdapterScene scene;

    @AfterEach
    void close() {
        if (scene != null) {
            scene.close();
        }
    }

    private AdapterScene open(int slots, long arenaBytes, long hostBytes) {
        AdapterScene.copyGolden(root, AdapterScene.GOLDEN.toArray(String[]::new));
        scene = AdapterScene.open(root, slots, arenaBytes, hostBytes);
        return scene;
    }

    private static List<String> names() {
        List<String> names = new ArrayList<>(AdapterScene.GOLDEN);
        names.addFirst(AdapterScene.BASE);
        return names;
    }

    private Map<String, List<Integer>> oracles(List<String> names, int[] prompt, int tokens) {
        Map<String, List<Integer>> texts = new HashMap<>();
        names.forEach(name -> texts.put(name, scene.oracle(name, prompt, tokens)));
        return texts;
    }

    private static void eventually(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("within 30 s").isLessThan(end);
            Thread.sleep(5);
        }
    }

    private AdapterVersion publish(String name, String golden) {
        return scene.registry.publish(scene.staged(golden), name, AdapterOrigin.foreign(Instant.now()));
    }

    @Test
    void eachPairOfAdaptersKeepsItsOwnPrefixAndAnswerAlsoWithFewerSlotsThanAdapters() throws Exception {
        open(2, 4 * MIB, 2 * MIB);
        int[] prompt = AdapterScene.prompt(1, 50); // three full blocks to share, wrongly
        Map<String, List<Integer>> golden = oracles(names(), prompt, TOKENS);
        assertThat(new HashSet<>(golden.values()))
                .as("adapters that differ in what they say")
                .hasSizeGreaterThan(6);
        Random random = new Random(20261125);
        List<String> order = new ArrayList<>();
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 54; i++) {
            String name = names().get(random.nextInt(names().size()));
            order.add(name);
            sequences.add(scene.start(name, prompt, TOKENS));
        }
        for (int i = 0; i < order.size(); i++) {
            assertThat(AdapterScene.read(sequences.get(i)))
                    .as("%d: %s", i, order.get(i))
                    .isEqualTo(golden.get(order.get(i)));
        }
        assertThat(scene.slots.placements()).isGreaterThan(8);
        // A lease is closed a moment after its reader has the last event.
        eventually(() ->
                scene.registry.list().stream().allMatch(view -> view.version().leases() == 0));
    }

    @Test
    void aReloadUnderTheSameNameTakesNothingFromTheOldPrefix() {
        open(4, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(2, 50);
        List<Integer> first = scene.oracle("plain", prompt, TOKENS);
        List<Integer> second = scene.oracle("rslora", prompt, TOKENS);
        assertThat(first).isNotEqualTo(second);
        publish("bot", "plain");
        assertThat(scene.text("bot", prompt, TOKENS)).isEqualTo(first);
        publish("bot", "rslora");
        assertThat(scene.text("bot", prompt, TOKENS)).isEqualTo(second);
        assertThat(scene.text("bot@1", prompt, TOKENS)).isEqualTo(first);
        scene.registry.rollback("bot");
        assertThat(scene.text("bot", prompt, TOKENS)).isEqualTo(first);
        scene.registry.load("bot", "rslora", true);
        assertThat(scene.text("bot", prompt, TOKENS)).isEqualTo(second);
    }

    @Test
    void whatRunsEndsWithItsOwnVersionWhileItsNameIsSwappedUnloadedAndDeleted() throws Exception {
        open(4, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(3, 20);
        int tokens = 120;
        Map<String, List<Integer>> golden = oracles(List.of("plain", "rslora"), prompt, tokens);
        publish("bot", "plain");
        Sequence old = scene.start("bot", prompt, tokens);
        Sequence waitsForNothing = scene.start("bot", prompt, tokens);
        publish("bot", "rslora");
        Sequence fresh = scene.start("bot", prompt, tokens);
        scene.registry.delete("bot");
        assertThatThrownBy(() -> scene.binding("bot"))
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.MODEL_NOT_FOUND));
        assertThat(root.resolve("bot")).doesNotExist();
        assertThat(AdapterScene.read(old)).isEqualTo(golden.get("plain"));
        assertThat(AdapterScene.read(waitsForNothing)).isEqualTo(golden.get("plain"));
        assertThat(AdapterScene.read(fresh)).isEqualTo(golden.get("rslora"));
        scene.registry.unload("plain");
        scene.registry.unload("rslora");
        eventually(() -> scene.slots.usedBytes() == 0 && scene.registry.hostBytes() == 0);
        assertThat(scene.text(AdapterScene.BASE, prompt, 3)).hasSize(3);
    }

    @Test
    void choicesOfOneRequestShareALeaseAndAnUnloadWaitsForTheLastOfThem() throws Exception {
        open(2, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(4, 20);
        List<Integer> golden = scene.oracle("plain", prompt, 40);
        AdapterBinding shared = scene.binding("plain").shared(3);
        List<Sequence> choices = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            choices.add(scene.start(shared, prompt, 40));
        }
        scene.registry.unload("plain");
        choices.get(1).cancel();
        assertThat(AdapterScene.read(choices.get(0))).isEqualTo(golden);
        assertThat(AdapterScene.read(choices.get(2))).isEqualTo(golden);
        AdapterScene.read(choices.get(1));
        eventually(() -> scene.slots.usedBytes() == 0);
    }

    @Test
    void whoWaitsForASlotBlocksNeitherTheBaseNorResidentAdapters() throws Exception {
        open(1, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(5, 20);
        Map<String, List<Integer>> golden = oracles(List.of("plain", "rslora", AdapterScene.BASE), prompt, TOKENS);
        Sequence holder = scene.start("plain", prompt, 230);
        eventually(
                () -> scene.slots.occupied() == 1 && scene.engine().statistics().running() == 1);
        Sequence waits = scene.start("rslora", prompt, TOKENS);
        Sequence cancelled = scene.start("patterns", prompt, TOKENS);
        assertThat(scene.text(AdapterScene.BASE, prompt, TOKENS)).isEqualTo(golden.get(AdapterScene.BASE));
        assertThat(scene.text("plain", prompt, TOKENS)).isEqualTo(golden.get("plain"));
        assertThat(waits.poll()).as("its slot is in use").isNull();
        cancelled.cancel();
        assertThat(AdapterScene.read(cancelled)).isEmpty();
        holder.cancel();
        AdapterScene.read(holder);
        assertThat(AdapterScene.read(waits)).isEqualTo(golden.get("rslora"));
    }

    @Test
    void aStreamOfRequestsForAResidentAdapterDoesNotStarveAnother() throws Exception {
        open(1, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(6, 20);
        List<Integer> golden = scene.oracle("rslora", prompt, TOKENS);
        List<Sequence> stream = new ArrayList<>();
        stream.add(scene.start("plain", prompt, 200));
        eventually(() -> scene.engine().statistics().running() == 1);
        Sequence waits = scene.start("rslora", prompt, TOKENS);
        // Always one more of the resident adapter before the last has ended: without fairness the slot never empties.
        for (int i = 0; i < 60; i++) {
            stream.add(scene.start("plain", prompt, 30));
        }
        assertThat(AdapterScene.read(waits)).isEqualTo(golden);
        long ended = stream.stream().filter(each -> isEnded(each)).count();
        assertThat(ended).as("those that went ahead").isLessThan(40);
        stream.forEach(Sequence::cancel);
    }

    private static boolean isEnded(Sequence sequence) {
        while (true) {
            switch (sequence.poll()) {
                case null -> {
                    return false;
                }
                case dev.nightshift.engine.TokenEvent.Finished finished -> {
                    return true;
                }
                case dev.nightshift.engine.TokenEvent.Failed failed -> {
                    return true;
                }
                case dev.nightshift.engine.TokenEvent.Token token -> {}
                case dev.nightshift.engine.TokenEvent.PromptScores scores -> {}
            }
        }
    }

    @Test
    void filesThatVanishFailTheirRequestsWithTheReasonAndNothingElse() throws Exception {
        open(1, 4 * MIB, 0); // only the newest copy stays in host memory
        int[] prompt = AdapterScene.prompt(7, 20);
        List<Integer> golden = scene.oracle("patterns", prompt, TOKENS);
        AdapterBinding lost = scene.binding("rslora");
        AdapterBinding later = scene.binding("dora"); // takes rslora's place in host memory
        DurableFiles.deleteTree(root.resolve("rslora"));
        Sequence running = scene.start("patterns", prompt, TOKENS);
        assertThatThrownBy(() -> AdapterScene.read(scene.start(lost, prompt, TOKENS)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("rslora@1")
                .hasMessageContaining("missing");
        assertThat(AdapterScene.read(running)).isEqualTo(golden);
        assertThat(AdapterScene.read(scene.start(later, prompt, 2))).hasSize(2);
        assertThat(scene.text(AdapterScene.BASE, prompt, 2)).hasSize(2);
    }

    @Test
    void adaptersTooLargeForTheArenaTogetherTakeTurns() {
        open(4, 2 * MIB, 8 * MIB); // r64 alone takes 1.8 of them
        int[] prompt = AdapterScene.prompt(8, 20);
        List<String> names = List.of("r64", "plain", "rslora", "head_saved");
        Map<String, List<Integer>> golden = oracles(names, prompt, 20);
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            sequences.add(scene.start(names.get(i % 4), prompt, 20));
        }
        for (int i = 0; i < 24; i++) {
            assertThat(AdapterScene.read(sequences.get(i)))
                    .as(names.get(i % 4))
                    .isEqualTo(golden.get(names.get(i % 4)));
        }
        assertThat(scene.slots.usedBytes()).isLessThanOrEqualTo(2 * MIB);
    }

    @Test
    void aPinnedAdapterStaysInHostMemoryWhileOthersPassThrough() throws Exception {
        AdapterScene.copyGolden(root, AdapterScene.GOLDEN.toArray(String[]::new));
        scene = AdapterScene.open(root, 2, 4 * MIB, 600_000, Set.of("dora"));
        int[] prompt = AdapterScene.prompt(9, 20);
        eventually(() -> scene.registry.hostBytes() > 0);
        AdapterScene.GOLDEN.forEach(name -> scene.text(name, prompt, 1));
        DurableFiles.deleteTree(root.resolve("dora/adapter_model.safetensors"));
        assertThat(scene.text("dora", prompt, 1)).hasSize(1);
        assertThat(scene.registry.hostBytes()).isLessThan(3_000_000);
    }

    @Test
    void whoPlacesAnAdapterNeverReadsItsFilesItself() throws Exception {
        open(1, 4 * MIB, 0); // only the newest copy stays in host memory
        try (AdapterLease evicted = scene.registry.acquire("plain");
                AdapterLease other = scene.registry.acquire("rslora")) {
            long loads = scene.registry.statistics().loads();
            assertThat(evicted.slot()).as("it is not in memory").isEqualTo(AdapterLease.WAITING);
            eventually(() -> scene.registry.statistics().loads() == loads + 1);
            eventually(() -> evicted.slot() >= 0);
            assertThat(other.slot()).as("the only slot is in use").isEqualTo(AdapterLease.WAITING);
        }
    }

    @Test
    void aPublishedAdapterIsServedFromTheMemoryItWasCheckedIn() throws Exception {
        open(2, 4 * MIB, 4 * MIB);
        int[] prompt = AdapterScene.prompt(10, 20);
        List<Integer> golden = scene.oracle("rslora", prompt, TOKENS);
        long loads = scene.registry.statistics().loads();
        publish("bot", "rslora");
        assertThat(scene.registry.statistics().loads())
                .as("read once, when it was checked")
                .isEqualTo(loads + 1);
        for (int i = 0; i < 3; i++) {
            assertThat(scene.text("bot", prompt, TOKENS)).isEqualTo(golden);
        }
        assertThat(scene.registry.statistics().loads()).isEqualTo(loads + 1);
    }

    @Test
    void aStartReadsNoAdapterHoweverManyThereAre() {
        open(2, 4 * MIB, 4 * MIB);
        AdapterStatistics now = scene.registry.statistics();
        assertThat(now.versions()).isEqualTo(AdapterScene.GOLDEN.size());
        assertThat(now.loads()).isZero();
        assertThat(now.hostBytes()).isZero();
    }

    @Test
    void tellsWhichAdaptersRunAndWhichWait() throws Exception {
        open(1, 4 * MIB, 4 * MIB);
        assertThat(scene.registry.inUse()).isEqualTo(new AdaptersInUse(List.of(), List.of()));
        try (AdapterLease running = scene.registry.acquire("plain");
                AdapterLease again = scene.registry.acquire("plain@1");
                AdapterLease waiting = scene.registry.acquire("rslora")) {
            assertThat(running.slot()).isZero();
            assertThat(again.slot()).isZero();
            assertThat(waiting.slot()).isEqualTo(AdapterLease.WAITING);
            assertThat(scene.registry.inUse()).isEqualTo(new AdaptersInUse(List.of("plain"), List.of("rslora")));
            publish("plain", "dora");
            scene.registry.delete("plain@1");
            assertThat(scene.registry.inUse())
                    .as("what retires runs to its end")
                    .isEqualTo(new AdaptersInUse(List.of("plain"), List.of("rslora")));
        }
        assertThat(scene.registry.inUse()).isEqualTo(new AdaptersInUse(List.of(), List.of()));
    }

    @Test
    void statisticsCountLoadsPlacementsEvictionsAndFailures() throws Exception {
        open(1, 4 * MIB, 0);
        int[] prompt = AdapterScene.prompt(11, 20);
        scene.text("plain", prompt, 1);
        scene.text("rslora", prompt, 1);
        AdapterStatistics now = scene.registry.statistics();
        assertThat(now.slots()).isEqualTo(1);
        assertThat(now.slotsUsed()).isEqualTo(1);
        assertThat(now.slotBytes()).isEqualTo(4 * MIB);
        assertThat(now.slotBytesUsed()).isPositive();
        assertThat(now.loads()).isEqualTo(2);
        assertThat(now.loadNanos()).isPositive();
        assertThat(now.placements()).isEqualTo(2);
        assertThat(now.slotEvictions()).isEqualTo(1);
        assertThat(now.hostEvictions())
                .as("without a budget a copy goes once it is on the device")
                .isEqualTo(2);
        DurableFiles.deleteTree(root.resolve("dora/adapter_model.safetensors"));
        assertThatThrownBy(() -> scene.binding("dora")).isInstanceOf(ServingException.class);
        assertThat(scene.registry.statistics().loadFailures()).isEqualTo(1);
        assertThat(scene.registry.statistics().failed()).isEqualTo(1);
    }
}
