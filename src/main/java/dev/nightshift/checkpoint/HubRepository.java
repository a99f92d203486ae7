package dev.nightshift.checkpoint;

import java.nio.file.Path;

/** placeholder to compile */
final class HubRepository {
    HubRepository(HubSettings settings, String id, String revision) {}

    Path snapshot(LoadProgress progress) {
        throw new UnsupportedOperationException();
    }
}
