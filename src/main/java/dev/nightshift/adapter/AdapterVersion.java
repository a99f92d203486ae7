package dev.nightshift.adapter;

import java.util.Objects;

/**
 * A version as it stands at one moment.
 *
 * @param digest SHA-256 (hex) over configuration and tensors; empty for a foreign folder that was not read yet
 * @param origin what its {@code nightshift.json} says
 * @param foreign it came without {@code nightshift.json}
 * @param reason why it failed, else empty
 * @param rank largest rank of any module; 0 before it was read
 * @param bytes of its tensors; 0 before it was read
 * @param resident whether it lies in a device slot
 * @param leases requests that hold it
 */
public record AdapterVersion(
        String name,
        int number,
        String digest,
        AdapterOrigin origin,
        boolean foreign,
        AdapterState state,
        String reason,
        int rank,
        long bytes,
        boolean resident,
        int leases) {
    public AdapterVersion {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(digest, "digest is null");
        Objects.requireNonNull(origin, "origin is null");
        Objects.requireNonNull(state, "state is null");
        Objects.requireNonNull(reason, "reason is null");
    }

    /** {@code name@number}. */
    public String id() {
        return name + "@" + number;
    }
}
