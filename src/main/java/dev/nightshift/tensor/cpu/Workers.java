package dev.nightshift.tensor.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed team of threads, the caller among them, that share the items of one job after the other. A member waits for the
 * next job by spinning briefly (jobs of a step follow each other within microseconds), then yielding, then parking: spinning
 * alone on all cores would starve the compiler threads. The caller waits for items that were claimed, never for a member that
 * the system has not scheduled.
 */
final class Workers implements AutoCloseable {
    private static final int SPINS = 1000;
    private static final int YIELDS = 2000;
    /** A claim takes this share of what is left for each thread, so that claims are few and the last ones small. */
    private static final int CLAIMS_PER_THREAD = 2;

    /** Work cut into independent items. */
    interface Job {
        /** @param thread number of the thread that runs it, for its scratch memory */
        void run(int item, int thread);

        /** Items that one thread has claimed together. */
        default void run(int from, int to, int thread) {
            for (int item = from; item < to; item++) {
                run(item, thread);
            }
        }
    }

    private final int threads;
    private final Member[] members;
    /** Number of the job in the high half, next item in the low half: a late member can't take items of another job. */
    private final AtomicLong state = new AtomicLong();

    private final AtomicInteger finished = new AtomicInteger();
    private Job job;
    private int items;
    private volatile boolean closed;
    private volatile Throwable failure;

    Workers(int threads) {
        if (threads < 1) {
            throw new IllegalStateException(threads + " threads");
        }
        this.threads = threads;
        members = new Member[threads - 1];
        for (int i = 0; i < members.length; i++) {
            members[i] = new Member(i + 1);
            members[i].thread.start();
        }
    }

    int threads() {
        return threads;
    }

    /** Whether a thread that still runs is one of the team's. */
    boolean owns(Thread thread) {
        for (Member member : members) {
            if (member.thread == thread && thread.isAlive()) {
                return true;
            }
        }
        return false;
    }

    /** Runs all items, on this thread too, and returns when the last is done. */
    void run(Job job, int items) {
        if (items <= 0) {
            return;
        }
        if (threads == 1 || items == 1) {
            job.run(0, items, 0);
            return;
        }
        // an odd number without items closes the last job before its fields change under a late member
        long closing = (state.get() >>> 32) + 1;
        state.set(closing << 32 | Integer.MAX_VALUE);
        this.job = job;
        this.items = items;
        finished.set(0);
        long number = closing + 1;
        state.set(number << 32);
        for (Member member : members) {
            if (member.parked) {
                LockSupport.unpark(member.thread);
            }
        }
        share(number, 0);
        for (int n = 0; finished.get() < items; n++) {
            if (n < SPINS) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
        this.job = null;
        if (failure != null) {
            Throwable cause = failure;
            failure = null;
            throw new IllegalStateException("a kernel failed", cause);
        }
    }

    private void share(long number, int thread) {
        for (; ; ) {
            long seen = state.get();
            Job mine = job;
            int count = items;
            int from = (int) seen;
            if (seen >>> 32 != (number & 0xffffffffL) || from >= count) {
                return;
            }
            int step = Math.max(1, (count - from) / (threads * CLAIMS_PER_THREAD));
            if (!state.compareAndSet(seen, seen + step)) {
                continue;
            }
            int to = Math.min(from + step, count);
            try {
                mine.run(from, to, thread);
            } catch (RuntimeException | Error e) {
                failure = e;
            } finally {
                finished.addAndGet(to - from);
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Member member : members) {
            LockSupport.unpark(member.thread);
            try {
                member.thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private final class Member implements Runnable {
        final Thread thread;
        private final int number;
        volatile boolean parked;

        Member(int number) {
            this.number = number;
            thread = new Thread(this, "nightshift-cpu-" + number);
            thread.setDaemon(true);
        }

        @Override
        public void run() {
            long seen = 0;
            while (!closed) {
                long next;
                int n = 0;
                while ((next = state.get() >>> 32) == seen && !closed) {
                    if (++n < SPINS) {
                        Thread.onSpinWait();
                    } else if (n < SPINS + YIELDS) {
                        Thread.yield();
                    } else {
                        parked = true;
                        if (state.get() >>> 32 == seen && !closed) {
                            LockSupport.park(this);
                        }
                        parked = false;
                    }
                }
                seen = next;
                share(seen, number);
            }
        }
    }
}
