package dev.nightshift.adapter;

import java.util.Map;
import java.util.TreeMap;

/** Free and taken ranges of an arena: first fit, neighbours joined when they are freed. One thread at a time. */
final class ByteRanges {
    /** What device vectors like; also the start of every range. */
    static final long ALIGNMENT = 256;

    /** Sizes of the free ranges by their start. */
    private final TreeMap<Long, Long> free = new TreeMap<>();

    private final long capacity;
    private long used;

    ByteRanges(long capacity) {
        this.capacity = capacity / ALIGNMENT * ALIGNMENT;
        if (this.capacity > 0) {
            free.put(0L, this.capacity);
        }
    }

    /** Bytes that a range of this size takes. */
    static long padded(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /** Start of a range of at least this size, or -1. */
    long allocate(long bytes) {
        long size = padded(bytes);
        for (Map.Entry<Long, Long> range : free.entrySet()) {
            if (range.getValue() >= size) {
                long start = range.getKey();
                long left = range.getValue() - size;
                free.remove(start);
                if (left > 0) {
                    free.put(start + size, left);
                }
                used += size;
                return start;
            }
        }
        return -1;
    }

    /** Gives back what {@link #allocate} returned for the same size. */
    void free(long start, long bytes) {
        long size = padded(bytes);
        Map.Entry<Long, Long> before = free.floorEntry(start);
        Map.Entry<Long, Long> after = free.ceilingEntry(start);
        boolean overlaps = (before != null && before.getKey() + before.getValue() > start)
                || (after != null && start + size > after.getKey());
        if (overlaps || start + size > capacity) {
            throw new IllegalStateException(
                    "range %d+%d is free already, or outside of %d".formatted(start, size, capacity));
        }
        used -= size;
        long from = start;
        long length = size;
        if (before != null && before.getKey() + before.getValue() == start) {
            from = before.getKey();
            length += before.getValue();
        }
        if (after != null && after.getKey() == start + size) {
            length += after.getValue();
            free.remove(after.getKey());
        }
        free.put(from, length);
    }

    long capacity() {
        return capacity;
    }

    long used() {
        return used;
    }

    /** Free ranges; 1 or 0 if nothing is taken. */
    int pieces() {
        return free.size();
    }
}
