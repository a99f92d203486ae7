package dev.nightshift.engine;

import java.time.Duration;

/** Limits for small engines: the defaults with some values changed. */
final class Limits {
    private int running = 64;
    private int queued = 256;
    private int context = 400;
    private int chunk = 96;
    private int besideDecode = 64;
    private Duration patience = Duration.ofSeconds(30);
    private boolean prefixCache = true;
    private int historySlots = 64;
    private int scoreRows = 16;
    private Duration busySlice = Duration.ZERO;

    static Limits small() {
        return new Limits();
    }

    Limits queue(int maxRunning, int maxQueued) {
        running = maxRunning;
        queued = maxQueued;
        return this;
    }

    Limits context(int tokens) {
        context = tokens;
        return this;
    }

    Limits chunks(int rows, int rowsBesideDecode) {
        chunk = rows;
        besideDecode = rowsBesideDecode;
        return this;
    }

    Limits patience(Duration value) {
        patience = value;
        return this;
    }

    Limits withoutPrefixCache() {
        prefixCache = false;
        return this;
    }

    Limits historySlots(int slots) {
        historySlots = slots;
        return this;
    }

    Limits scoreRows(int rows) {
        scoreRows = rows;
        return this;
    }

    Limits busySlice(Duration slice) {
        busySlice = slice;
        return this;
    }

    EngineLimits build() {
        EngineLimits d = EngineLimits.defaults();
        return new EngineLimits(
                running,
                queued,
                context,
                chunk,
                besideDecode,
                scoreRows,
                d.topLogprobsMax(),
                d.biasMax(),
                historySlots,
                d.eventsMax(),
                patience,
                prefixCache,
                d.idleSlice(),
                busySlice);
    }
}
