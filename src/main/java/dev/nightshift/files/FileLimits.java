package dev.nightshift.files;

import java.time.Duration;

/**
 * How large files may be, and how long an upload may take.
 *
 * @param fileBytesMax of a file sent in one request
 * @param batchBytesMax of a file of purpose batch
 * @param partBytesMax of a part of an upload
 * @param uploadBytesMax of all its parts
 * @param partsMax of one upload
 */
public record FileLimits(
        long fileBytesMax,
        long batchBytesMax,
        long partBytesMax,
        long uploadBytesMax,
        int partsMax,
        Duration uploadLife) {}
