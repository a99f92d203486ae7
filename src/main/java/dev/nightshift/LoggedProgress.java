package dev.nightshift;

import dev.nightshift.chat.ServedChat;
import dev.nightshift.checkpoint.LoadProgress;
import org.jboss.logging.Logger;

/** How far a download or a load is: in the health check always, in the log every few seconds. */
final class LoggedProgress implements LoadProgress {
    private static final Logger LOG = Logger.getLogger("nightshift");
    private static final long SILENCE_NANOS = 3_000_000_000L;

    private final ServedChat served;
    private String current = "";
    private long logged = System.nanoTime();

    LoggedProgress(ServedChat served) {
        this.served = served;
    }

    @Override
    public synchronized void report(String what, long done, long total) {
        String line = total > 0
                ? "%s: %s of %s (%d %%)".formatted(what, amount(done), amount(total), 100 * done / total)
                : "%s: %s".formatted(what, amount(done));
        served.loading("the model is loading, " + line);
        long now = System.nanoTime();
        boolean ended = done == total && what.equals(current) && now - logged > SILENCE_NANOS / 10;
        if (now - logged > SILENCE_NANOS || ended) {
            logged = now;
            LOG.infof("Loading %s", line);
        }
        current = what;
    }

    private static String amount(long number) {
        return number < 10_000 ? Long.toString(number) : "%,d".formatted(number);
    }
}
