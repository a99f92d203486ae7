package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.engine.Sequence;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A store that hangs for some adapters: who asks for them is told within the limit, nobody else notices. */
@Timeout(120)
class SlowStoreTest {
    private static final Duration LIMIT = Duration.ofMillis(400);

    /** The disk, but readings of some folders wait until they are let go. */
    private static final class Store implements AdapterStore {
        private final Map<String, CountDownLatch> hanging = new ConcurrentHashMap<>();
        private final AtomicInteger readings = new AtomicInteger();

        void hang(String name) {
            hanging.put(name, new CountDownLatch(1));
        }

        void letGo(String name) {
            hanging.remove(name).countDown();
        }

        @Override
        public PeftAdapter read(Path folder, ModelConfig config, Arena arena, long bytesMax) {
            readings.incrementAndGet();
            CountDownLatch gate = hanging.get(folder.getFileName().toString());
            if (gate != null) {
                try {
                    gate.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
            return PeftAdapter.read(folder, config, arena, bytesMax);
        }
    }

    @TempDir
    Path root;

    private final Store store = new Store();
    private AdapterScene scene;

    @AfterEach
    void close() {
        store.hanging.keySet().forEach(store::letGo);
        scene.close();
    }

    private void open(long hostBytes, String... names) {
        AdapterScene.copyGolden(root, names);
        scene = AdapterScene.open(root, 1, hostBytes, store, LIMIT);
    }

    private static void late(ThrowingCallable call, String version) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(ServingException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.UNAVAILABLE);
                    assertThat(e.retryAfter()).contains(LIMIT);
                })
                .hasMessageContaining(version)
                .hasMessageContaining("400 ms")
                .hasMessageContaining("nightshift.adapter-load-timeout");
    }

    private static void eventually(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("within 30 s").isLessThan(end);
            Thread.sleep(5);
        }
    }

    @Test
    void aReadingPastTheLimitFailsItsRequestsAndServesTheNextOnesWhenItEnds() throws Exception {
        open(4 << 20, "plain");
        store.hang("plain");
        int[] prompt = AdapterScene.prompt(1, 12);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<AdapterLease>> leases = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                leases.add(threads.submit(() -> scene.registry.acquire("plain")));
            }
            for (Future<AdapterLease> lease : leases) {
                late(
                        () -> {
                            try {
                                lease.get();
                            } catch (ExecutionException e) {
                                throw e.getCause();
                            }
                        },
                        "plain@1");
            }
        }
        long start = System.nanoTime();
        late(() -> scene.registry.acquire("plain"), "plain@1");
        assertThat(System.nanoTime() - start)
                .as("who asks later is told at once")
                .isLessThan(LIMIT.toNanos());
        assertThat(store.readings).hasValue(1);
        AdapterVersion hanging = scene.registry.find("plain").orElseThrow().version();
        assertThat(hanging.state()).isEqualTo(AdapterState.LOADING);
        assertThat(hanging.leases()).isZero();

        store.letGo("plain");
        eventually(() -> scene.registry.find("plain").orElseThrow().version().state() == AdapterState.READY);
        assertThat(scene.text("plain", prompt, 3)).hasSize(3);
        assertThat(store.readings).as("what came late was kept").hasValue(1);
    }

    @Test
    void adaptersThatHangHoldUpNeitherOthersNorTheBase() throws Exception {
        open(4 << 20, "plain", "rslora", "dora", "r64", "patterns");
        for (String name : List.of("plain", "rslora", "dora", "r64")) {
            store.hang(name);
        }
        Sequence running = scene.start(AdapterScene.BASE, AdapterScene.prompt(2, 12), 20);
        for (String name : List.of("plain", "rslora", "dora", "r64")) {
            late(() -> scene.registry.acquire(name), name + "@1");
        }
        assertThat(scene.text("patterns", AdapterScene.prompt(3, 12), 3)).hasSize(3);
        assertThat(AdapterScene.read(running)).hasSize(20);
        assertThat(scene.text(AdapterScene.BASE, AdapterScene.prompt(4, 12), 3)).hasSize(3);
    }

    @Test
    void aRequestWhoseAdapterIsFetchedBackGetsTheReasonInsteadOfWaitingForEver() throws Exception {
        open(0, "plain", "rslora"); // only the newest copy stays in host memory
        AdapterBinding evicted = scene.binding("plain");
        AdapterBinding newest = scene.binding("rslora"); // takes plain's place in host memory
        store.hang("plain");
        Sequence waiting = scene.start(evicted, AdapterScene.prompt(5, 12), 3);
        late(() -> AdapterScene.read(waiting), "plain@1");
        assertThat(AdapterScene.read(scene.start(newest, AdapterScene.prompt(5, 12), 3)))
                .hasSize(3);
        store.letGo("plain");
        eventually(() -> scene.registry.statistics().loads() == 3);
        assertThat(scene.text("plain", AdapterScene.prompt(5, 12), 3)).hasSize(3);
    }

    @Test
    void aBadAdapterThatComesLateIsRefusedForItsOwnReasonFromThenOn() throws Exception {
        open(4 << 20, "plain");
        store.hang("plain");
        late(() -> scene.registry.acquire("plain"), "plain@1");
        DurableFiles.deleteTree(root.resolve("plain/adapter_model.safetensors"));
        store.letGo("plain");
        eventually(() -> scene.registry
                .find("plain")
                .map(view -> view.version().state() == AdapterState.FAILED)
                .orElse(true));
        assertThatThrownBy(() -> scene.registry.acquire("plain"))
                .isInstanceOf(ServingException.class)
                .message()
                .doesNotContain("load-timeout");
    }

    @Test
    void aLoadByPathHasTheSameLimitAndServesNothingThatComesLate() throws Exception {
        open(4 << 20, "plain");
        AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("incoming files/slow"));
        store.hang("slow");
        Sequence running = scene.start(AdapterScene.BASE, AdapterScene.prompt(6, 12), 20);
        long start = System.nanoTime();
        late(() -> scene.registry.load("bot", "incoming files/slow", false), "bot: 'incoming files/slow'");
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(LIMIT.toNanos());
        start = System.nanoTime();
        late(() -> scene.registry.load("bot", "incoming files/slow", false), "bot");
        assertThat(System.nanoTime() - start)
                .as("who tries again meanwhile is told at once")
                .isLessThan(LIMIT.toNanos());
        assertThat(store.readings).as("and holds no further reader").hasValue(1);
        assertThat(scene.text("plain", AdapterScene.prompt(6, 12), 3)).hasSize(3);
        assertThat(scene.registry.alias("live", "plain").version().id()).isEqualTo("plain@1");
        assertThat(AdapterScene.read(running)).hasSize(20);

        long bytes = scene.registry.hostBytes();
        store.letGo("slow");
        eventually(() -> scene.registry.statistics().loads() == 2);
        assertThat(scene.registry.find("bot")).isEmpty();
        assertThat(scene.registry.hostBytes()).isEqualTo(bytes);
        eventually(() -> {
            try {
                scene.registry.load("bot", "incoming files/slow", false);
                return true;
            } catch (ServingException e) {
                return false; // its reader is about to end
            }
        });
        assertThat(scene.text("bot", AdapterScene.prompt(6, 12), 3)).hasSize(3);
    }

    @Test
    void aReplacementThatHangsLeavesWhatIsServed() throws Exception {
        open(4 << 20, "plain");
        Path files = AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("incoming files/bot"));
        String digest = scene.registry.load("bot", "incoming files/bot", false).digest();
        AdapterScene.copy(AdapterScene.golden("attention_only"), files);
        store.hang("bot");
        late(() -> scene.registry.load("bot", "incoming files/bot", true), "bot");
        store.letGo("bot");
        eventually(() -> scene.registry.statistics().loads() == 2);
        assertThat(scene.registry.find("bot").orElseThrow().version().digest()).isEqualTo(digest);
        assertThat(scene.text("bot", AdapterScene.prompt(7, 12), 3)).hasSize(3);
    }

    @Test
    void hangingLoadsByPathLeaveReadersForOthers() {
        open(4 << 20, "patterns");
        for (int i = 0; i < 4; i++) {
            AdapterScene.copy(AdapterScene.golden("plain"), root.resolve("incoming files/slow" + i));
            store.hang("slow" + i);
            String path = "incoming files/slow" + i;
            late(() -> scene.registry.load("bot", path, false), "bot");
        }
        AdapterScene.copy(AdapterScene.golden("rslora"), root.resolve("incoming files/quick"));
        assertThat(scene.registry.load("bot", "incoming files/quick", false).state())
                .isEqualTo(AdapterState.READY);
    }
}
