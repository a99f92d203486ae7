package dev.nightshift.tensor.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Memory that each thread reads soon, in that order. Kernels that compute more than they read fetch it on their way, so that it comes
 * from a near cache where it is needed with little to compute. Nothing else depends on it, so an address may be stale.
 */
final class Upcoming {
    private static final int LINES = 8;
    /** Bytes of a piece. */
    static final int PIECE = LINES * Lanes.LINE;
    /** Pieces a thread: 512 KiB, as a second-level cache of 2 MiB keeps beside the weights that pass through meanwhile. */
    static final int MOST = 1_024;

    /** Pieces that a call may take beyond the end of a list. */
    private static final int BEYOND = 1_024;

    /** Ints that keep what two threads write in different pairs of cache lines. */
    private static final int APART = 32;

    private static final int SET = 1;

    private static final long LIST_BYTES = (long) Long.BYTES * (MOST + BEYOND);

    /** [threads][pieces]: addresses, behind them the last one again as far as a call went. */
    private final MemorySegment lists;
    /** The address of itself: what is fetched where there is nothing to fetch, a line that is near anyway. */
    private final MemorySegment nothing;

    private final int[] counts;
    /** Pieces that each thread has taken, {@link #APART} apart, and behind that the addresses of its list that are set. */
    private final int[] taken;

    private long offset;

    Upcoming(int threads) {
        Arena arena = Arena.ofAuto();
        lists = arena.allocate(threads * LIST_BYTES, Lanes.LINE);
        nothing = arena.allocate(Lanes.LINE, Lanes.LINE);
        nothing.set(ValueLayout.JAVA_LONG, 0, nothing.address());
        counts = new int[threads];
        taken = new int[threads * APART];
    }

    /** Nothing more for any thread. */
    void clear() {
        for (int thread = 0; thread < counts.length; thread++) {
            counts[thread] = 0;
            taken[thread * APART] = 0;
            taken[thread * APART + SET] = 0;
        }
    }

    /** Adds so much of it as still fits; false if the thread's list is full then. */
    boolean add(int thread, long from, long bytes) {
        int count = counts[thread];
        for (long at = 0; at < bytes && count < MOST; at += PIECE) {
            set(thread, count++, from + at);
        }
        counts[thread] = count;
        taken[thread * APART + SET] = count;
        return count < MOST;
    }

    private void set(int thread, int place, long address) {
        lists.set(ValueLayout.JAVA_LONG, thread * LIST_BYTES + (long) Long.BYTES * place, address);
    }

    /** Begins with the first pieces again, all of them so many bytes further on than they were added. */
    void restart(long offset) {
        this.offset = offset;
        for (int thread = 0; thread < counts.length; thread++) {
            taken[thread * APART] = 0;
        }
    }

    /**
     * Called by the thread itself.
     *
     * @return address of so many of the thread's next addresses, {@link #step} bytes apart, {@link #offset} bytes less than
     *     they should be
     */
    long take(int thread, int pieces) {
        int next = taken[thread * APART];
        if (next >= counts[thread] || pieces > BEYOND) {
            return nothing.address();
        }
        long list = thread * LIST_BYTES;
        long last = lists.get(ValueLayout.JAVA_LONG, list + Long.BYTES * (counts[thread] - 1L));
        for (int set = taken[thread * APART + SET]; set < next + pieces; set++) {
            set(thread, set, last);
            taken[thread * APART + SET] = set + 1;
        }
        taken[thread * APART] = next + pieces;
        return lists.address() + list + (long) Long.BYTES * next;
    }

    /** Bytes from one of the addresses that {@link #take} gave to the next: none where there is but one. */
    long step(long list) {
        return list == nothing.address() ? 0 : Long.BYTES;
    }

    /** What is to be added to the addresses that {@link #take} gave. */
    long offset(long list) {
        return list == nothing.address() ? 0 : offset;
    }
}
