package dev.nightshift.load;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What the machine could do at best, so that rates can be given as shares of it: bytes read from memory a second, and
 * multiply-adds a second (counted as two operations), both in the Vector API with all threads.
 */
public final class MachineProbe {
    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

    /** Per thread, far above any cache. */
    private static final long READ_BYTES = 256L << 20;

    private static final int ROUNDS = 5;

    /** Eight chains of dependent sums hide a latency of four cycles on two ports; a chain of products costs a copy a step. */
    private static final int FMA_STEPS = 20_000_000;

    private MachineProbe() {}

    /**
     * How long this process's threads have waited for a core so far, because others ran there: what Linux tells in
     * {@code /proc/self/task/N/schedstat}; 0 elsewhere.
     */
    public static long waitedForCoresNanos() {
        Path tasks = Path.of("/proc/self/task");
        if (!Files.isDirectory(tasks)) {
            return 0;
        }
        long sum = 0;
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
            for (Path thread : threads) {
                sum += waited(thread.resolve("schedstat"));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return sum;
    }

    private static long waited(Path schedstat) {
        try {
            return Long.parseLong(Files.readString(schedstat).strip().split(" ")[1]);
        } catch (IOException e) {
            return 0; // the thread has ended meanwhile
        }
    }

    /** Best of several rounds. */
    public static double readBytesPerSecond(int threads) throws Exception {
        try (Arena arena = Arena.ofShared();
                ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Callable<Long>> reads = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                MemorySegment part = arena.allocate(READ_BYTES, 4096).fill((byte) 1);
                reads.add(() -> sum(part));
            }
            return best(pool, reads, threads * READ_BYTES);
        }
    }

    /** Best of several rounds. */
    public static double flopsPerSecond(int threads) throws Exception {
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Callable<Float>> chains = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                chains.add(MachineProbe::multiplyAdd);
            }
            return best(pool, chains, 2L * threads * FMA_STEPS * 8 * FLOATS.length());
        }
    }

    private static <T> double best(ExecutorService pool, List<Callable<T>> work, long amount) throws Exception {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            for (Future<T> each : pool.invokeAll(work)) {
                each.get();
            }
            best = Math.max(best, amount / ((System.nanoTime() - start) / 1e9));
        }
        return best;
    }

    private static long sum(MemorySegment part) {
        long step = 4L * LONGS.vectorByteSize();
        LongVector a = LongVector.zero(LONGS);
        LongVector b = a;
        LongVector c = a;
        LongVector d = a;
        ByteOrder order = ByteOrder.nativeOrder();
        for (long at = 0; at < part.byteSize(); at += step) {
            a = a.add(LongVector.fromMemorySegment(LONGS, part, at, order));
            b = b.add(LongVector.fromMemorySegment(LONGS, part, at + LONGS.vectorByteSize(), order));
            c = c.add(LongVector.fromMemorySegment(LONGS, part, at + 2L * LONGS.vectorByteSize(), order));
            d = d.add(LongVector.fromMemorySegment(LONGS, part, at + 3L * LONGS.vectorByteSize(), order));
        }
        return a.add(b).add(c).add(d).reduceLanes(VectorOperators.ADD);
    }

    private static float multiplyAdd() {
        FloatVector factor = FloatVector.broadcast(FLOATS, 0.999f);
        FloatVector a = factor;
        FloatVector b = factor;
        FloatVector c = factor;
        FloatVector d = factor;
        FloatVector e = factor;
        FloatVector f = factor;
        FloatVector g = factor;
        FloatVector h = factor;
        for (int i = 0; i < FMA_STEPS; i++) {
            a = factor.fma(factor, a);
            b = factor.fma(factor, b);
            c = factor.fma(factor, c);
            d = factor.fma(factor, d);
            e = factor.fma(factor, e);
            f = factor.fma(factor, f);
            g = factor.fma(factor, g);
            h = factor.fma(factor, h);
        }
        return a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).reduceLanes(VectorOperators.ADD);
    }
}
