package dev.nightshift.adapter;

import java.util.List;

/** Some of the exports, in order. */
public record ExportPage(List<Export> exports, boolean hasMore) {
    public ExportPage {
        exports = List.copyOf(exports);
    }
}
