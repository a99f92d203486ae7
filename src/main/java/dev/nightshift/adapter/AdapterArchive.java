package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * Takes a PEFT folder out of a {@code .tar} or {@code .zip} that a stranger made. Only the files of an adapter are written, under
 * names of ours, so nothing can land elsewhere; entries that try are refused all the same. A folder around the files is allowed.
 */
final class AdapterArchive {
    private static final List<String> TAKEN = List.of(PeftFolder.CONFIG, PeftFolder.WEIGHTS, AdapterRecord.FILE);
    private static final String PICKLED = "adapter_model.bin";
    /** Archives smaller than this are no danger, whatever their ratio: configurations compress well. */
    private static final long RATIO_FREE_BYTES = 1 << 20;

    private static final int PIECE_BYTES = 1 << 16;
    /** Where a tar says what it is (POSIX.1-2017, pax, ustar header). */
    private static final int TAR_MAGIC_AT = 257;

    private final Path into;
    private final UploadLimits limits;
    private final long archiveBytes;
    private final Set<String> taken = new HashSet<>();
    private int entries;
    private long unpacked;
    private boolean pickled;
    private String folder;

    private AdapterArchive(Path into, UploadLimits limits, long archiveBytes) {
        this.into = into;
        this.limits = limits;
        this.archiveBytes = archiveBytes;
    }

    /** Unpacks a file into an empty folder; INVALID_REQUEST or PAYLOAD_TOO_LARGE names the entry and the limit. */
    static void unpack(Path archive, Path into, UploadLimits limits) throws IOException {
        AdapterArchive unpacking = new AdapterArchive(into, limits, Files.size(archive));
        byte[] head = head(archive);
        if (head.length > 3 && head[0] == 'P' && head[1] == 'K') {
            unpacking.zip(archive);
        } else if (head.length > TAR_MAGIC_AT + 5
                && new String(head, TAR_MAGIC_AT, 5, StandardCharsets.US_ASCII).equals("ustar")) {
            unpacking.tar(archive);
        } else {
            throw bad("the upload is neither a .tar nor a .zip; compressed tars are not supported");
        }
        unpacking.check();
    }

    private static byte[] head(Path archive) throws IOException {
        try (InputStream in = Files.newInputStream(archive)) {
            return in.readNBytes(512);
        }
    }

    private void tar(Path archive) throws IOException {
        try (TarArchiveInputStream in =
                new TarArchiveInputStream(new BufferedInputStream(Files.newInputStream(archive)))) {
            for (TarArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                boolean plain = entry.isFile()
                        && !entry.isSymbolicLink()
                        && !entry.isLink()
                        && !entry.isCharacterDevice()
                        && !entry.isBlockDevice()
                        && !entry.isFIFO()
                        && !entry.isSparse();
                take(entry.getName(), entry.isDirectory(), plain, in);
            }
        } catch (IllegalArgumentException e) {
            throw bad("the .tar is damaged: " + e.getMessage());
        }
    }

    /** By its directory at the end, which alone knows of links. */
    private void zip(Path archive) throws IOException {
        try (ZipFile zip = ZipFile.builder().setPath(archive).get()) {
            for (Enumeration<ZipArchiveEntry> all = zip.getEntries(); all.hasMoreElements(); ) {
                ZipArchiveEntry entry = all.nextElement();
                if (!zip.canReadEntryData(entry)) {
                    throw bad("entry '%s' is encrypted or packed by method %d"
                            .formatted(shown(entry.getName()), entry.getMethod()));
                }
                boolean plain = !entry.isUnixSymlink();
                if (entry.isDirectory() || !plain) {
                    take(entry.getName(), entry.isDirectory(), plain, InputStream.nullInputStream());
                } else {
                    try (InputStream in = zip.getInputStream(entry)) {
                        take(entry.getName(), false, true, in);
                    }
                }
            }
        }
    }

    private void take(String path, boolean isFolder, boolean plain, InputStream in) throws IOException {
        if (++entries > limits.filesMax()) {
            throw tooLarge("the archive has more than %d entries".formatted(limits.filesMax()));
        }
        checkPath(path);
        if (isFolder) {
            return;
        }
        if (!plain) {
            throw bad("entry '%s' is a link or a device; plain files alone are taken".formatted(shown(path)));
        }
        String name = path.substring(path.lastIndexOf('/') + 1);
        pickled |= name.equals(PICKLED);
        if (!TAKEN.contains(name)) {
            copy(in, OutputStream.nullOutputStream(), path);
            return;
        }
        String parent = path.substring(0, path.length() - name.length());
        if (folder != null && !folder.equals(parent)) {
            throw bad("the files of the adapter lie in two folders, '%s' and '%s'"
                    .formatted(shown(folder), shown(parent)));
        }
        folder = parent;
        if (!taken.add(name)) {
            throw bad("entry '%s' is there twice".formatted(shown(path)));
        }
        try (OutputStream out = Files.newOutputStream(into.resolve(name))) {
            copy(in, out, path);
        }
    }

    private static void checkPath(String path) {
        boolean outside = path.isEmpty()
                || path.startsWith("/")
                || path.indexOf('\\') >= 0
                || path.indexOf('\0') >= 0
                || path.matches("[A-Za-z]:.*")
                || Arrays.asList(path.split("/")).contains("..");
        if (outside) {
            throw bad("entry '%s' points out of the archive".formatted(shown(path)));
        }
    }

    private void copy(InputStream in, OutputStream out, String path) throws IOException {
        byte[] piece = new byte[PIECE_BYTES];
        for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
            unpacked += count;
            if (unpacked > limits.bytesMax()) {
                throw tooLarge("the archive unpacks to more than %d bytes".formatted(limits.bytesMax()));
            }
            if (unpacked > RATIO_FREE_BYTES && unpacked / limits.ratioMax() > archiveBytes) {
                throw tooLarge("the archive of %d bytes unpacks to more than %d times its size, at entry '%s'"
                        .formatted(archiveBytes, limits.ratioMax(), shown(path)));
            }
            out.write(piece, 0, count);
        }
    }

    private void check() {
        if (pickled && !taken.contains(PeftFolder.WEIGHTS)) {
            throw bad("%s is pickled; save the adapter as %s".formatted(PICKLED, PeftFolder.WEIGHTS));
        }
        for (String name : List.of(PeftFolder.CONFIG, PeftFolder.WEIGHTS)) {
            if (!taken.contains(name)) {
                throw bad("the archive holds no " + name);
            }
        }
    }

    private static String shown(String path) {
        return path.length() > 100 ? path.substring(0, 100) + "..." : path;
    }

    private static ServingException bad(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, "adapter: " + what);
    }

    private static ServingException tooLarge(String what) {
        return new ServingException(ErrorCode.PAYLOAD_TOO_LARGE, "adapter: " + what);
    }
}
