package dev.nightshift.adapter;

import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Calls for a scan when something changes below a folder: told by the file system where it does, and every interval for those
 * that don't (network mounts) and for what lies deeper.
 */
final class FolderWatch implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(FolderWatch.class.getName());
    /** Files of one adapter arrive together; a scan a little later sees all of them. */
    private static final Duration SETTLE = Duration.ofMillis(100);

    private static final int DEPTH = 3;

    private final Path root;
    private final Duration interval;
    private final Runnable scan;
    private final Thread thread;
    private final Map<Path, WatchKey> watched = new HashMap<>();
    private volatile boolean closed;

    FolderWatch(Path root, Duration interval, Runnable scan) {
        this.root = root;
        this.interval = interval;
        this.scan = scan;
        this.thread = Thread.ofPlatform().name("nightshift-adapters").daemon().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    private void run() {
        try (WatchService service = root.getFileSystem().newWatchService()) {
            watch(service);
            while (!closed) {
                WatchKey key = service.poll(interval.toMillis(), TimeUnit.MILLISECONDS);
                if (key != null) {
                    Thread.sleep(SETTLE);
                    drain(service, key);
                }
                watch(service);
                scanned();
            }
        } catch (InterruptedException | ClosedWatchServiceException e) {
            // closed
        } catch (IOException | UnsupportedOperationException e) {
            LOG.log(System.Logger.Level.INFO, "{0} is looked through every {1}: {2}", root, interval, e.getMessage());
            poll();
        }
    }

    private void poll() {
        try {
            while (!closed) {
                Thread.sleep(interval);
                scanned();
            }
        } catch (InterruptedException e) {
            // closed
        }
    }

    private void scanned() {
        try {
            scan.run();
        } catch (RuntimeException e) {
            LOG.log(System.Logger.Level.ERROR, root + " could not be looked through", e);
        }
    }

    private static void drain(WatchService service, WatchKey first) {
        for (WatchKey key = first; key != null; key = service.poll()) {
            key.pollEvents();
            key.reset();
        }
    }

    /** Watches the folders that are there now. */
    private void watch(WatchService service) {
        watched.values().removeIf(key -> !key.isValid());
        if (!Files.isDirectory(root)) {
            return;
        }
        try (Stream<Path> folders = Files.walk(root, DEPTH - 1)) {
            for (Path folder :
                    folders.filter(Files::isDirectory).filter(this::isSeen).toList()) {
                if (!watched.containsKey(folder)) {
                    watched.put(
                            folder,
                            folder.register(
                                    service,
                                    StandardWatchEventKinds.ENTRY_CREATE,
                                    StandardWatchEventKinds.ENTRY_DELETE,
                                    StandardWatchEventKinds.ENTRY_MODIFY));
                }
            }
        } catch (IOException | java.io.UncheckedIOException e) {
            // A folder that went away meanwhile, or no more watches: the interval sees to the rest.
            LOG.log(System.Logger.Level.DEBUG, "{0} is not watched whole: {1}", root, e.getMessage());
        }
    }

    /** What is staged or deleted is nobody's business. */
    private boolean isSeen(Path folder) {
        return folder.equals(root) || !root.relativize(folder).toString().startsWith(".");
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
