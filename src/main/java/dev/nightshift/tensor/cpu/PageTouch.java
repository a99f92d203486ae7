package dev.nightshift.tensor.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Commits pages before somebody needs them, on a thread of its own: the first write to a page costs a fault and its zeroing, about
 * 2 ms a MiB on a small virtual machine. Each page gets an atomic addition of zero, which commits it and changes nothing, whoever
 * writes there meanwhile.
 */
final class PageTouch implements AutoCloseable {
    /** The smallest page of any system we run on; touching a large page several times costs little. */
    private static final long PAGE = 4096;

    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    private final Thread thread;
    private volatile boolean closed;

    private PageTouch(MemorySegment memory) {
        thread = Thread.ofPlatform().name("nightshift-pages").daemon().unstarted(() -> touch(memory));
    }

    /** Starts at once; the memory must stay until {@link #close}. */
    static PageTouch start(MemorySegment memory) {
        PageTouch touch = new PageTouch(memory);
        touch.thread.start();
        return touch;
    }

    private void touch(MemorySegment memory) {
        for (long at = 0; at <= memory.byteSize() - Long.BYTES && !closed; at += PAGE) {
            long ignored = (long) LONG.getAndAdd(memory, at, 0L);
        }
    }

    /** Returns when all is committed. */
    void await() throws InterruptedException {
        thread.join();
    }

    /** Ends the thread, done or not. */
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
