package dev.nightshift.adapter;

import java.util.List;

/**
 * Names of the adapters that requests hold, sorted, each once.
 *
 * @param running those with a place on the device
 * @param waiting those that a request waits for; one may be in both, where a new version takes the place of an older one
 */
public record AdaptersInUse(List<String> running, List<String> waiting) {
    public AdaptersInUse {
        running = List.copyOf(running);
        waiting = List.copyOf(waiting);
    }
}
