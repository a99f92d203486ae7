package dev.nightshift.adapter;

/**
 * What the adapters take and did, at one moment.
 *
 * @param versions on disk and served, read or not
 * @param failed versions among them that can't be served
 * @param slots places on the device
 * @param slotsUsed places that hold an adapter, idle ones too
 * @param slotBytes device memory of all slots together
 * @param slotBytesUsed of it, by adapters
 * @param hostBytes host memory of copies beside the device
 * @param loads adapters read from disk since start
 * @param loadNanos time that took, checks included
 * @param loadFailures readings that ended with a reason
 * @param placements adapters written to the device since start
 * @param slotEvictions adapters that left the device for others
 * @param hostEvictions copies that left host memory for others
 */
public record AdapterStatistics(
        int versions,
        int failed,
        int slots,
        int slotsUsed,
        long slotBytes,
        long slotBytesUsed,
        long hostBytes,
        long loads,
        long loadNanos,
        long loadFailures,
        long placements,
        long slotEvictions,
        long hostEvictions) {}
