package dev.nightshift.engine;

/** A SHA-256: what a full block of keys and values was computed from, all tokens before it included. */
record BlockKey(long a, long b, long c, long d) {

    @Override
    public int hashCode() {
        // The digest is uniform already.
        return Long.hashCode(a);
    }
}
