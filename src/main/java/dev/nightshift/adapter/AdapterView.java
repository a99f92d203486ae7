package dev.nightshift.adapter;

import java.util.Objects;

/**
 * A name that requests may give, and what it means now.
 *
 * @param id adapter name, alias, {@code ft:} name or pinned {@code name@number}
 * @param alias whether it is another name for a version, not an adapter's own
 * @param pinned whether a newer version of the adapter leaves it where it is
 * @param version what a request gets now
 */
public record AdapterView(String id, boolean alias, boolean pinned, AdapterVersion version) {
    public AdapterView {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(version, "version is null");
    }
}
