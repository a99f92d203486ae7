package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Merged models from the request to the folder, with a base whose stored weights take as long as a test wants. */
@Timeout(120)
class MergedExportsTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path root;

    private AdapterScene scene;
    private AdapterLibrary library;
    /** The stored weights open when it does. */
    private CountDownLatch gate = new CountDownLatch(0);
    /** What happens then, in the folder of exports. */
    private Consumer<Path> whenOpened = exports -> {};

    @BeforeEach
    void open() {
        AdapterScene.copyGolden(root.resolve("adapters"), "plain", "attention_only");
        scene = AdapterScene.openFamily(root.resolve("adapters"), "llama", "bf16", 1, MIB);
        library = library();
    }

    private AdapterLibrary library() {
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bf16");
        AdapterBase base = new AdapterBase("golden", scene.model.checkpoint(), () -> {
            await(gate);
            whenOpened.accept(exports());
            return Checkpoint.open(
                    new ModelSource.Folder(folder),
                    LoadOptions.defaults().withQuantisation(Quantisation.NONE),
                    LoadProgress.SILENT);
        });
        return new AdapterLibrary(scene.registry, base, new UploadLimits(MIB, 20, 50), exports());
    }

    /** A library that keeps its exports elsewhere. */
    private AdapterLibrary library(Path exports) {
        AdapterBase base = new AdapterBase("golden", scene.model.checkpoint(), scene.model::checkpoint);
        return new AdapterLibrary(scene.registry, base, new UploadLimits(MIB, 20, 50), exports);
    }

    private Path exports() {
        return root.resolve("exports");
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @AfterEach
    void close() {
        gate.countDown();
        library.close();
        scene.close();
    }

    private static void refused(ThrowingCallable call, ErrorCode code, String... words) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(words);
    }

    private static Export joined(CompletableFuture<Export> merge) throws Exception {
        return merge.get(60, TimeUnit.SECONDS);
    }

    private static void cancelled(CompletableFuture<Export> merge) {
        assertThatThrownBy(() -> joined(merge))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CANCELLED));
    }

    private CompletableFuture<Export> merge(String adapter, MergeSource source, String name) {
        return library.merge(adapter, source, Optional.of(name));
    }

    /** Names in the folder of exports, without that of the records. */
    private List<String> onDisk() throws IOException {
        try (Stream<Path> files = Files.list(exports())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.equals(".records"))
                    .sorted()
                    .toList();
        }
    }

    private void awaitRunning(String name) throws InterruptedException {
        while (library.getExport(name).state() == ExportState.QUEUED) {
            Thread.sleep(5);
        }
    }

    @Test
    void oneIsWrittenAtATimeAndOthersWaitAndAllAreListed() throws Exception {
        gate = new CountDownLatch(1);
        CompletableFuture<Export> first = merge("plain", MergeSource.STORED, "first");
        awaitRunning("first");
        CompletableFuture<Export> second = merge("attention_only", MergeSource.SERVED, "second");
        Export running = library.getExport("first");
        assertThat(running.state()).isEqualTo(ExportState.RUNNING);
        assertThat(running.adapter()).isEqualTo("plain@1");
        assertThat(running.adapterDigest())
                .isEqualTo(scene.registry.find("plain").orElseThrow().version().digest())
                .hasSize(64);
        assertThat(running.baseDigest()).hasSize(64);
        assertThat(running.progress().shards()).isZero();
        assertThat(running.progress().bytesTotal()).isPositive();
        assertThat(library.getExport("second").state()).isEqualTo(ExportState.QUEUED);
        assertThat(onDisk()).as("nothing half-written has a name").allMatch(name -> name.startsWith(".writing-"));
        refused(() -> library.downloadExport("first"), ErrorCode.CONFLICT, "running");

        gate.countDown();
        Export whole = joined(first);
        assertThat(whole.state()).isEqualTo(ExportState.SUCCEEDED);
        assertThat(whole.progress().shards())
                .isEqualTo(whole.progress().shardsTotal())
                .isEqualTo(scene.model.checkpoint().config().layers() + 2);
        assertThat(whole.progress().bytes()).isEqualTo(whole.progress().bytesTotal());
        assertThat(joined(second).files()).contains("config.json", "README.md", "nightshift.json");
        assertThat(onDisk()).containsExactly("first", "second");

        ExportPage newest = library.exports(Optional.empty(), 1, true);
        assertThat(newest.exports()).extracting(Export::name).containsExactly("second");
        assertThat(newest.hasMore()).isTrue();
        assertThat(library.exports(Optional.of("second"), 5, true).exports())
                .extracting(Export::name)
                .containsExactly("first");
        assertThat(library.exports(Optional.empty(), 5, false).exports())
                .extracting(Export::name)
                .containsExactly("first", "second");
        refused(() -> library.exports(Optional.of("third"), 5, false), ErrorCode.NOT_FOUND, "third");
    }

    @Test
    void aRestartShowsWhatIsWholeAndSaysWhatWasCutOff() throws Exception {
        joined(merge("plain", MergeSource.SERVED, "whole"));
        Export whole = library.getExport("whole");
        gate = new CountDownLatch(1);
        CompletableFuture<Export> cut = merge("plain", MergeSource.STORED, "cut");
        CompletableFuture<Export> waiting = merge("plain", MergeSource.SERVED, "waiting");
        awaitRunning("cut");
        // as a killed process leaves it: the records as they are, a folder in the middle
        Path left = exports().resolve(".writing-left");
        Files.createDirectories(left);
        Files.writeString(left.resolve("model-00001-of-00004.safetensors"), "half");
        AdapterLibrary killed = library;
        library = library();
        assertThat(library.getExport("whole")).isEqualTo(whole);
        for (String name : List.of("cut", "waiting")) {
            Export failed = library.getExport(name);
            assertThat(failed.state()).isEqualTo(ExportState.FAILED);
            assertThat(failed.failure().orElseThrow().message()).contains("the server stopped");
        }
        assertThat(onDisk()).containsExactly("whole");

        gate.countDown();
        killed.close();
        assertThat(cut).isCompletedExceptionally();
        joined(merge("plain", MergeSource.STORED, "cut"));
        assertThat(library.getExport("cut").state())
                .as("one that failed is asked for again under its name")
                .isEqualTo(ExportState.SUCCEEDED);
        assertThat(waiting.isDone() && !waiting.isCompletedExceptionally()).isFalse();
    }

    @Test
    void deletingEndsARunningOneAndAWaitingOneAndTakesAWholeOnesFiles() throws Exception {
        gate = new CountDownLatch(1);
        CompletableFuture<Export> running = merge("plain", MergeSource.STORED, "running");
        CompletableFuture<Export> waiting = merge("plain", MergeSource.SERVED, "waiting");
        awaitRunning("running");
        library.deleteExport("running");
        library.deleteExport("waiting");
        cancelled(waiting);
        refused(() -> library.getExport("running"), ErrorCode.NOT_FOUND, "running");
        gate.countDown();
        cancelled(running);
        assertThat(library.exports(Optional.empty(), 10, true).exports()).isEmpty();

        joined(merge("plain", MergeSource.SERVED, "whole"));
        try (FolderDownload download = library.downloadExport("whole")) {
            library.deleteExport("whole");
            assertThat(onDisk()).isEmpty();
            ByteArrayOutputStream tar = new ByteArrayOutputStream();
            download.writeTo(tar);
            assertThat(names(tar.toByteArray()))
                    .as("what was being downloaded comes whole")
                    .contains("whole/config.json", "whole/nightshift.json", "whole/model.safetensors.index.json");
        }
        refused(() -> library.deleteExport("whole"), ErrorCode.NOT_FOUND, "whole");
        AdapterLibrary again = library();
        assertThat(again.exports(Optional.empty(), 10, true).exports()).isEmpty();
        again.close();
    }

    private static List<String> names(byte[] tar) throws IOException {
        List<String> names = new ArrayList<>();
        try (TarArchiveInputStream in = new TarArchiveInputStream(new ByteArrayInputStream(tar))) {
            for (TarArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                names.add(entry.getName());
            }
        }
        return names;
    }

    @Test
    void namesAreCheckedAndATakenOneIsAConflict() throws Exception {
        for (String name : List.of("../x", ".x", "a/b", "", "x".repeat(201))) {
            refused(() -> merge("plain", MergeSource.SERVED, name), ErrorCode.INVALID_REQUEST, "export name");
        }
        refused(() -> merge("nobody", MergeSource.SERVED, "x"), ErrorCode.MODEL_NOT_FOUND, "nobody");
        Export whole = joined(library.merge("plain", MergeSource.SERVED, Optional.empty()));
        assertThat(whole.name()).isEqualTo("golden-plain-1-served");
        refused(
                () -> library.merge("plain", MergeSource.SERVED, Optional.empty()),
                ErrorCode.CONFLICT,
                "golden-plain-1-served",
                "succeeded",
                "delete it");
        Files.createDirectory(exports().resolve("foreign"));
        refused(() -> merge("plain", MergeSource.SERVED, "foreign"), ErrorCode.CONFLICT, "foreign");
        gate = new CountDownLatch(1);
        CompletableFuture<Export> running = merge("plain", MergeSource.STORED, "busy");
        refused(() -> merge("plain", MergeSource.SERVED, "busy"), ErrorCode.CONFLICT, "busy");
        gate.countDown();
        joined(running);
    }

    @Test
    void oneThatFailsIsListedWithItsReasonAndLeavesNoFolder() throws Exception {
        gate = new CountDownLatch(1);
        CompletableFuture<Export> blocking = merge("plain", MergeSource.STORED, "blocking");
        CompletableFuture<Export> failing = merge("attention_only", MergeSource.SERVED, "failing");
        scene.registry.delete("attention_only");
        gate.countDown();
        joined(blocking);
        assertThatThrownBy(() -> joined(failing)).hasMessageContaining("attention_only@1");
        Export failed = library.getExport("failing");
        assertThat(failed.state()).isEqualTo(ExportState.FAILED);
        assertThat(failed.failure().orElseThrow().code()).isEqualTo(ErrorCode.MODEL_NOT_FOUND);
        assertThat(onDisk()).containsExactly("blocking");
        assertThat(library().getExport("failing")).isEqualTo(failed);
        library.deleteExport("failing");
        refused(() -> library.getExport("failing"), ErrorCode.NOT_FOUND, "failing");
    }

    /** Every write to {@code /dev/full} fails as one to a full disk does. */
    @Test
    void aDiskThatFillsUpIsNamedWithTheBytesNeededAndFreeAndNothingCountsAsWhole() throws Exception {
        Path full = Path.of("/dev/full");
        Assumptions.assumeTrue(Files.exists(full), "the system has no /dev/full");
        // all tensors find room, the configuration does not
        whenOpened = exports -> {
            try (Stream<Path> entries = Files.list(exports)) {
                Path writing = entries.filter(
                                entry -> entry.getFileName().toString().startsWith(".writing-"))
                        .findFirst()
                        .orElseThrow();
                Files.createSymbolicLink(writing.resolve("config.json"), full);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
        CompletableFuture<Export> merge = merge("plain", MergeSource.STORED, "crowded");
        assertThatThrownBy(() -> joined(merge))
                .cause()
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INSUFFICIENT_STORAGE));
        Export failed = library.getExport("crowded");
        assertThat(failed.state()).isEqualTo(ExportState.FAILED);
        assertThat(failed.progress().bytes()).as("bytes that were written").isPositive();
        assertThat(failed.files()).isEmpty();
        assertThat(failed.failure().orElseThrow().code()).isEqualTo(ErrorCode.INSUFFICIENT_STORAGE);
        assertThat(failed.failure().orElseThrow().message())
                .matches(
                        "the merged model takes [0-9]+ bytes, the disk was full when %d of them were written, [0-9]+ are free"
                                .formatted(failed.progress().bytes()));
        assertThat(onDisk()).as("what was written is gone").isEmpty();
        refused(() -> library.downloadExport("crowded"), ErrorCode.CONFLICT, "failed");
        AdapterLibrary again = library();
        assertThat(again.getExport("crowded")).isEqualTo(failed);
        again.close();

        whenOpened = exports -> {};
        assertThat(joined(merge("plain", MergeSource.STORED, "crowded")).state())
                .as("once there is room")
                .isEqualTo(ExportState.SUCCEEDED);
    }

    @Test
    void aDiskWithoutRoomForTheModelIsToldBeforeTheFirstByte() throws Exception {
        // a file system that has no room, and whose folder is there
        Path crowded = Path.of("/proc/self/task");
        Assumptions.assumeTrue(
                Files.isDirectory(crowded) && Files.getFileStore(crowded).getUsableSpace() == 0,
                "the system has no /proc");
        try (AdapterLibrary elsewhere = library(crowded)) {
            assertThatThrownBy(() -> elsewhere.export("plain", MergeSource.SERVED, Optional.of("crowded")))
                    .isInstanceOfSatisfying(
                            ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INSUFFICIENT_STORAGE))
                    .hasMessageMatching("the merged model takes [0-9]+ bytes, the disk has 0 free");
            refused(() -> elsewhere.getExport("crowded"), ErrorCode.NOT_FOUND, "crowded");
        }
    }
}
