package dev.nightshift.api;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** Where the server's readers of files stand: they are of this process, and the kernel tells. */
public final class OpenFiles {
    private static final Path OPEN = Path.of("/proc/self/fd");
    private static final Path FACTS = Path.of("/proc/self/fdinfo");
    private static final Duration LOOK = Duration.ofMillis(200);

    private OpenFiles() {}

    /** Skips a test where the kernel does not tell. */
    public static void assumeTold() {
        Assumptions.assumeTrue(Files.exists(FACTS), "the kernel does not tell positions");
    }

    /** The position of the first reader of a file, if there is one. */
    public static OptionalLong position(Predicate<Path> file) throws IOException {
        try (Stream<Path> open = Files.list(OPEN)) {
            for (Path link : open.toList()) {
                try {
                    if (file.test(Files.readSymbolicLink(link))) {
                        String facts = Files.readString(FACTS.resolve(link.getFileName()));
                        return OptionalLong.of(Long.parseLong(
                                facts.lines().findFirst().orElseThrow().replaceAll("\\D", "")));
                    }
                } catch (IOException closedMeanwhile) {
                    // perhaps after its facts were opened: reading them fails then
                }
            }
        }
        return OptionalLong.empty();
    }

    /** Where a reader stands that no longer moves. */
    public static long settled(Predicate<Path> file) throws IOException, InterruptedException {
        long before = -1;
        long now = position(file).orElseThrow();
        for (int i = 0; i < 100 && now != before; i++) {
            before = now;
            Thread.sleep(LOOK);
            now = position(file).orElseThrow(() -> new AssertionError("closed before its end"));
        }
        if (now != before) {
            throw new AssertionError("still read, at byte " + now);
        }
        return now;
    }

    /** Whether nobody has the file open, now or within the time. */
    public static boolean closed(Predicate<Path> file, Duration within) throws IOException, InterruptedException {
        long end = System.nanoTime() + within.toNanos();
        while (position(file).isPresent()) {
            if (System.nanoTime() > end) {
                return false;
            }
            Thread.sleep(LOOK);
        }
        return true;
    }
}
