package dev.nightshift.api.http;

import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;

/** Requests that are being answered, so that a server about to stop can wait for them. */
@ApplicationScoped
public class InFlight {
    private int requests;

    /** A request has come. */
    public synchronized void begin() {
        requests++;
    }

    /** It has been answered. */
    public synchronized void end() {
        requests--;
        notifyAll();
    }

    /** Requests being answered now. */
    public synchronized int count() {
        return requests;
    }

    /** Waits until none is left, or the time is over; returns how many are left. */
    public synchronized int awaitNone(Duration timeout) throws InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (requests > 0) {
            long millis = (end - System.nanoTime()) / 1_000_000;
            if (millis <= 0) {
                break;
            }
            wait(millis);
        }
        return requests;
    }
}
