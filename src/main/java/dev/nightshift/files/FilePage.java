package dev.nightshift.files;

import java.util.List;

/** Some files in order; {@code hasMore} if there are others behind them. */
public record FilePage(List<StoredFile> files, boolean hasMore) {
    public FilePage {
        files = List.copyOf(files);
    }
}
