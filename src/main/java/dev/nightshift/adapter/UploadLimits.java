package dev.nightshift.adapter;

/**
 * What an uploaded adapter may be.
 *
 * @param bytesMax of the upload, and of the files in it together
 * @param filesMax entries of an archive
 * @param ratioMax unpacked bytes for each byte of an archive; checked beyond the first MiB
 */
public record UploadLimits(long bytesMax, int filesMax, int ratioMax) {
    public UploadLimits {
        if (bytesMax < 1 || filesMax < 2 || ratioMax < 1) {
            throw new IllegalStateException(
                    "limits of %d bytes, %d files, ratio %d".formatted(bytesMax, filesMax, ratioMax));
        }
    }
}
