package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A folder is looked through when the file system tells of a change, and in any case every interval. */
@Timeout(60)
class FolderWatchTest {
    private static final Duration NEVER = Duration.ofHours(1);
    private static final Duration OFTEN = Duration.ofMillis(20);
    private static final int PATIENCE_SECONDS = 20;

    @TempDir
    Path root;

    private final Semaphore scans = new Semaphore(0);

    private void scanned(int times) throws InterruptedException {
        assertThat(scans.tryAcquire(times, PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void aFileSystemThatTellsNothingIsPolled() throws Exception {
        Path archive = root.resolve("files.zip");
        try (FileSystem files = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
            Path silent = Files.createDirectory(files.getPath("/adapters"));
            assertThatThrownBy(files::newWatchService).isInstanceOf(UnsupportedOperationException.class);
            try (FolderWatch watch = new FolderWatch(silent, OFTEN, scans::release)) {
                watch.start();
                scanned(3);
            }
        }
    }

    @Test
    void aFolderThatIsWatchedIsPolledTooForMountsThatTellNothing() throws Exception {
        try (FolderWatch watch = new FolderWatch(root, OFTEN, scans::release)) {
            watch.start();
            scanned(3);
        }
    }

    @Test
    void aFailedScanIsNotTheLast() throws Exception {
        Runnable failing = () -> {
            scans.release();
            throw new IllegalStateException("the disk is gone");
        };
        try (FolderWatch watch = new FolderWatch(root, OFTEN, failing)) {
            watch.start();
            scanned(3);
        }
    }

    @Test
    void aChangeIsToldLongBeforeTheIntervalIsOver() throws Exception {
        try (FolderWatch watch = new FolderWatch(root, NEVER, scans::release)) {
            watch.start();
            // The watch may begin after the first of them.
            for (int i = 0; scans.availablePermits() == 0 && i < 10 * PATIENCE_SECONDS; i++) {
                change(i);
                Thread.sleep(100);
            }
            scanned(1);
        }
    }

    private void change(int i) throws IOException {
        Files.createDirectories(root.resolve("adapter" + i));
    }
}
