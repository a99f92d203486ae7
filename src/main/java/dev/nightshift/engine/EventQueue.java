package dev.nightshift.engine;

import java.time.Duration;

/**
 * The bounded queue between the engine and one reader. The engine never waits on it: it asks for room before a step, and
 * prompt scores and the last event have a place of their own. The reader may poll or wait.
 */
final class EventQueue {
    private final TokenEvent[] ring;
    private final int eventsMax;
    private int head;
    private int size;
    private boolean ended;

    EventQueue(int eventsMax) {
        this.eventsMax = eventsMax;
        this.ring = new TokenEvent[eventsMax + 2];
    }

    /** Whether one more event that is not the last fits. */
    synchronized boolean hasRoom() {
        return size < eventsMax;
    }

    synchronized void add(TokenEvent event) {
        if (ended || size > eventsMax) {
            throw new IllegalStateException("event added to %d of %d, ended %s".formatted(size, eventsMax, ended));
        }
        append(event);
    }

    /** The last event; later ones are dropped, so that the first cause of an end is the one the reader sees. */
    synchronized void end(TokenEvent event) {
        if (!ended) {
            ended = true;
            append(event);
        }
    }

    private void append(TokenEvent event) {
        ring[(head + size) % ring.length] = event;
        size++;
        notifyAll();
    }

    /** The next event, or null. */
    synchronized TokenEvent poll() {
        if (size == 0) {
            return null;
        }
        TokenEvent event = ring[head];
        ring[head] = null;
        head = (head + 1) % ring.length;
        size--;
        return event;
    }

    /** The next event, or null after {@code timeout}. */
    synchronized TokenEvent take(Duration timeout) throws InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (size == 0) {
            long leftMillis = (end - System.nanoTime() + 999_999) / 1_000_000;
            if (leftMillis <= 0) {
                return null;
            }
            wait(leftMillis);
        }
        return poll();
    }

    synchronized int size() {
        return size;
    }
}
