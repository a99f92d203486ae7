package dev.nightshift.tensor.cpu;

/** What {@link FewRowsLanes} multiply: a thread keeps one and says what is new. */
final class FewRowsProduct {
    /** Address of the first row, F32. */
    long x;
    /** Bytes from one row of x to the next. */
    long xRow;
    /** 1 to {@link FewRowsLanes#most}. */
    int rows;

    /** A weight that {@link FewRowsLanes#takes}. */
    Tiles tiles;
    /** The first of {@link #count} units, all of whose rows exist or are padded. */
    int unit;

    int count;

    /** Address of the first row's element of the first unit's first row, F32. */
    long out;
    /** Bytes from one row of out to the next. */
    long outRow;

    /** {@link FewRowsLanes#scratchBytes}. */
    long scratch;
    /** Whether scratch is as the last call with these rows of x left it. */
    boolean again;

    /** What may be fetched meanwhile. */
    Upcoming upcoming;
    /** Who multiplies. */
    int thread;
}
