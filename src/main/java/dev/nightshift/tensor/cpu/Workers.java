package dev.nightshift.tensor.cpu;

import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed team of threads, the caller among them, that share the items of one job after the other. Each has a run of items of its
 * own and takes them from its front, so that it reads on where it was; who has done its own takes from the back of another's. A member
 * waits for the next job by spinning briefly (jobs of a step follow each other within microseconds), then yielding, then parking:
 * spinning alone on all cores would starve the compiler threads. The caller waits for items that were claimed, never for a member that
 * the system has not scheduled.
 */
final class Workers implements AutoCloseable {
    private static final int SPINS = 1000;
    private static final int YIELDS = 2000;
    /** A claim takes this share of what is left, so that claims are few and the last ones small. */
    private static final int CLAIM = 2;

    /** Longs that keep words of two threads in different pairs of cache lines. */
    private static final int APART = 16;

    /** Most pieces of a job: a word has 16 bits for a place. */
    private static final int PIECES = 0xffff;

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
    /** Number of the job, while its fields hold; odd while they change. Only the caller writes it. */
    private volatile int current;

    /**
     * What nobody has claimed of each thread's pieces: the job's number, then the first piece and the end. Under an older number they
     * are all there. A job ends when every piece is claimed, so a late member's word of it has changed since, and its claim fails.
     */
    private final AtomicLongArray left;

    private final AtomicInteger finished = new AtomicInteger();
    private Job job;
    private int items;
    /** Items of a piece. */
    private int size;

    private volatile boolean closed;
    private volatile Throwable failure;

    Workers(int threads) {
        if (threads < 1) {
            throw new IllegalStateException(threads + " threads");
        }
        this.threads = threads;
        left = new AtomicLongArray(threads * APART);
        members = new Member[threads - 1];
        for (int i = 0; i < members.length; i++) {
            members[i] = new Member(i + 1);
            members[i].thread.start();
        }
    }

    int threads() {
        return threads;
    }

    /** Of so many items, where a thread begins: it takes those before the next one's first, unless others are done before. */
    int first(int items, int thread) {
        return (int) ((long) items * thread / threads);
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
        // closes the last job before its fields change under a late member
        current++;
        VarHandle.releaseFence();
        this.job = job;
        this.items = items;
        size = (items - 1) / PIECES + 1;
        finished.set(0);
        int open = ++current;
        for (Member member : members) {
            if (member.parked) {
                LockSupport.unpark(member.thread);
            }
        }
        share(open, 0);
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

    /** Runs pieces of the job of this number until none is left. */
    private void share(int open, int thread) {
        Job mine = job;
        int each = size;
        int count = items;
        VarHandle.acquireFence();
        if (current != open) {
            return;
        }
        int pieces = (count - 1) / each + 1;
        for (int n = 0; n < threads; n++) {
            int owner = (thread + n) % threads;
            for (; ; ) {
                long claim = claim(open, owner, pieces, n == 0);
                if (claim < 0) {
                    break;
                }
                run(mine, (int) (claim >>> Short.SIZE) * each, Math.min(count, (int) (claim & PIECES) * each), thread);
            }
        }
    }

    private void run(Job mine, int from, int to, int thread) {
        try {
            mine.run(from, to, thread);
        } catch (RuntimeException | Error e) {
            failure = e;
        } finally {
            finished.addAndGet(to - from);
        }
    }

    /** Some of the owner's pieces, the first and the end in 16 bits each; negative if none is left. */
    private long claim(int open, int owner, int pieces, boolean own) {
        for (; ; ) {
            long seen = left.get(owner * APART);
            long begun = seen >>> Integer.SIZE;
            int from;
            int to;
            if ((int) begun == open) {
                from = (int) (seen >>> Short.SIZE) & PIECES;
                to = (int) seen & PIECES;
            } else if (current == open) {
                from = first(pieces, owner);
                to = first(pieces, owner + 1);
            } else {
                return -1;
            }
            if (from >= to) {
                return -1;
            }
            int some = Math.max(1, (to - from) / CLAIM);
            long rest = own ? word(open, from + some, to) : word(open, from, to - some);
            if (left.compareAndSet(owner * APART, seen, rest)) {
                return own ? word(0, from, from + some) : word(0, to - some, to);
            }
        }
    }

    private static long word(int open, int from, int to) {
        return (long) open << Integer.SIZE | (long) from << Short.SIZE | to;
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
            int seen = 0;
            while (!closed) {
                int next;
                int n = 0;
                while (((next = current) == seen || (next & 1) == 1) && !closed) {
                    if (++n < SPINS) {
                        Thread.onSpinWait();
                    } else if (n < SPINS + YIELDS) {
                        Thread.yield();
                    } else {
                        parked = true;
                        if (current == seen && !closed) {
                            LockSupport.park(this);
                        }
                        parked = false;
                    }
                }
                if (!closed) {
                    seen = next;
                    share(seen, number);
                }
            }
        }
    }
}
