package dev.nightshift.engine;

/**
 * What a sequence runs with: a device slot and the digest that keeps caches apart. The lease behind it is closed with the
 * sequence.
 *
 * @param slot -1 = base model
 * @param digest "" = base model
 */
public record AdapterBinding(int slot, String digest, Runnable release) {
    public static final AdapterBinding BASE = new AdapterBinding(-1, "", () -> {});
}
