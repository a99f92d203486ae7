package dev.nightshift.tensor.cpu;

import java.lang.foreign.Arena;

/** Working memory of training's kernels, one piece a thread and a few shared ones. A piece grows to the largest call and stays. */
final class Scratch implements AutoCloseable {
    private static final int SHARED = 0;
    private static final int MASKED = 1;
    private static final int FIXED = 2;

    private final Arena[] arenas;
    private final long[] addresses;
    private final long[] sizes;

    Scratch(int threads) {
        arenas = new Arena[threads + FIXED];
        addresses = new long[threads + FIXED];
        sizes = new long[threads + FIXED];
    }

    /** A thread's own piece; only that thread calls. */
    long of(int thread, long bytes) {
        return piece(thread + FIXED, bytes);
    }

    /** A piece that all threads share; asked for before they start. */
    long shared(long bytes) {
        return piece(SHARED, bytes);
    }

    /** Another one. */
    long masked(long bytes) {
        return piece(MASKED, bytes);
    }

    private long piece(int index, long bytes) {
        if (sizes[index] < bytes) {
            if (arenas[index] != null) {
                arenas[index].close();
            }
            arenas[index] = Arena.ofShared();
            addresses[index] = arenas[index].allocate(bytes, 64).address();
            sizes[index] = bytes;
        }
        return addresses[index];
    }

    @Override
    public void close() {
        for (Arena arena : arenas) {
            if (arena != null) {
                arena.close();
            }
        }
    }
}
