package dev.nightshift.tuning;

/** The end of a simulated process: no code catches it. */
final class Killed extends Error {
    private static final long serialVersionUID = 1;

    Killed() {
        super("killed", null, false, false);
    }
}
