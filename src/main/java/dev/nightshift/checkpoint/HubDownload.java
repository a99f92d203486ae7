package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Downloads one file into a blob of the cache. What has arrived stays in {@code <etag>.incomplete}; a cut connection, or the next
 * start, goes on from there. The blob gets its name only after its size and checksum were found right and it is on the disk.
 */
final class HubDownload {
    /** Tries without a byte of progress in between. */
    private static final int TRIES_MAX = 5;

    private static final Duration FIRST_PAUSE = Duration.ofMillis(200);

    private static final int BUFFER_BYTES = 1 << 20;

    private final HubClient client;
    private final HubCache cache;
    private final Duration stall;
    private final LoadProgress progress;

    /** @param stall a body that is silent for so long is given up */
    HubDownload(HubClient client, HubCache cache, Duration stall, LoadProgress progress) {
        this.client = client;
        this.cache = cache;
        this.stall = stall;
        this.progress = progress;
    }

    /** The file is in the snapshot when this returns. */
    void fetch(String commit, String file) {
        try {
            HubClient.Entry entry = client.entry(commit, file);
            Files.createDirectories(cache.blob(entry.etag()).getParent());
            try (HubCache.Lock _ = cache.lock(entry.etag())) {
                if (!Files.exists(cache.blob(entry.etag()))) {
                    checkSpace(file, entry);
                    fetchBlob(commit, file, entry);
                }
            }
            cache.link(commit, file, entry.etag());
        } catch (IOException e) {
            throw cache.failure("download of %s of %s failed".formatted(file, cache.id()), e);
        }
    }

    private void checkSpace(String file, HubClient.Entry entry) throws IOException {
        Path incomplete = cache.incomplete(entry.etag());
        long missing = entry.bytes() - (Files.exists(incomplete) ? Files.size(incomplete) : 0);
        long free = Files.getFileStore(cache.blob(entry.etag()).getParent()).getUsableSpace();
        if (missing > free) {
            throw cache.full(file, missing, free, null);
        }
    }

    private void fetchBlob(String commit, String file, HubClient.Entry entry) throws IOException {
        Path incomplete = cache.incomplete(entry.etag());
        int failures = 0;
        while (true) {
            long before = Files.exists(incomplete) ? Files.size(incomplete) : 0;
            try {
                if (entry.bytes() < 0 || before < entry.bytes()) {
                    receive(commit, file, entry, incomplete, before);
                }
                break;
            } catch (IOException e) {
                long after = Files.exists(incomplete) ? Files.size(incomplete) : 0;
                if (HubCache.isFull(e)) {
                    long free = Files.getFileStore(incomplete.getParent()).getUsableSpace();
                    throw cache.full(file, entry.bytes() - after, free, e);
                }
                failures = after > before ? 1 : failures + 1;
                if (failures == TRIES_MAX || e instanceof FileSystemException) {
                    throw e;
                }
                pause(failures);
            }
        }
        verify(file, entry, incomplete);
        Files.move(incomplete, cache.blob(entry.etag()), StandardCopyOption.ATOMIC_MOVE);
    }

    private void receive(String commit, String file, HubClient.Entry entry, Path incomplete, long have)
            throws IOException {
        HttpResponse<InputStream> response = client.content(commit, file, have);
        try (InputStream body = response.body();
                FileChannel out = FileChannel.open(incomplete, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            if (response.statusCode() == 416) {
                out.truncate(0);
                throw new IOException("%s has no byte %d".formatted(file, have));
            }
            long at = response.statusCode() == 206 ? have : 0;
            out.truncate(at);
            out.position(at);
            copy(body, out, file, entry.bytes());
            out.force(true);
            if (entry.bytes() >= 0 && out.position() < entry.bytes()) {
                throw new IOException("connection closed at byte %d of %d".formatted(out.position(), entry.bytes()));
            }
        }
    }

    private void copy(InputStream body, FileChannel out, String file, long bytes) throws IOException {
        AtomicLong lastByte = new AtomicLong(System.nanoTime());
        try (ScheduledExecutorService watch =
                Executors.newSingleThreadScheduledExecutor(Thread.ofVirtual().factory())) {
            watch.scheduleWithFixedDelay(() -> closeIfStalled(body, lastByte), 1, 1, TimeUnit.SECONDS);
            try {
                byte[] buffer = new byte[BUFFER_BYTES];
                for (int read = body.read(buffer); read >= 0; read = body.read(buffer)) {
                    lastByte.set(System.nanoTime());
                    ByteBuffer chunk = ByteBuffer.wrap(buffer, 0, read);
                    while (chunk.hasRemaining()) {
                        out.write(chunk);
                    }
                    progress.report(file, out.position(), Math.max(0, bytes));
                }
            } finally {
                watch.shutdownNow();
            }
        }
    }

    private void closeIfStalled(InputStream body, AtomicLong lastByte) {
        if (System.nanoTime() - lastByte.get() > stall.toNanos()) {
            try {
                body.close();
            } catch (IOException e) {
                // The reader gets its own failure from the closed stream.
            }
        }
    }

    private static void pause(int failures) {
        try {
            Thread.sleep(FIRST_PAUSE.multipliedBy(1L << (failures - 1)));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ServingException(ErrorCode.CANCELLED, "download was interrupted", e);
        }
    }

    private void verify(String file, HubClient.Entry entry, Path incomplete) throws IOException {
        long size = Files.size(incomplete);
        String found = switch (entry.etag().length()) {
            case 64 -> hash("SHA-256", "", incomplete);
            case 40 -> hash("SHA-1", "blob %d\0".formatted(size), incomplete);
            default -> entry.etag();
        };
        if ((entry.bytes() >= 0 && size != entry.bytes()) || !found.equals(entry.etag())) {
            Files.delete(incomplete);
            throw new ServingException(
                    ErrorCode.UNAVAILABLE,
                    "%s of %s arrived damaged: %d bytes with checksum %s, expected %d with %s; it was deleted, try again"
                            .formatted(file, cache.id(), size, found, entry.bytes(), entry.etag()));
        }
    }

    /** Git names a file by the SHA-1 over its size and content. */
    private static String hash(String algorithm, String prefix, Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            digest.update(prefix.getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            byte[] buffer = new byte[BUFFER_BYTES];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(algorithm + " is part of every JDK", e);
        }
    }
}
