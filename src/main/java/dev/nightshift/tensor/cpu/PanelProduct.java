package dev.nightshift.tensor.cpu;

/** What {@link PanelLanes} multiply: a thread keeps one and says what is new. */
final class PanelProduct {
    /** Packed rows from {@link #xFrom}, groups {@link #stride} apart. */
    Floats x;

    int xFrom;
    int stride;
    /** How they are packed: by {@link RowGroups#packOctets}, where {@link #segment} is a multiple of eight, or {@link RowGroups#pack}. */
    boolean octets;

    /** [segments * segment][tileRows] from {@link #panelFrom}. */
    Floats panel;

    int panelFrom;
    int segments;
    int segment;
    /** [segments][tileRows]. */
    Floats scales;
    /** [rows of x, whole groups][tileRows]. */
    Floats totals;
}
