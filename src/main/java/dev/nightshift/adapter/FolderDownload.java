package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** A folder on its way out, as a {@code .tar}. Its files are open, so that deleting the folder meanwhile takes nothing away. */
public final class FolderDownload implements AutoCloseable {
    private final String name;
    private final Instant time;
    private final Map<String, byte[]> texts;
    private final Map<String, FileChannel> files = new LinkedHashMap<>();

    /**
     * @param name of the folder in the archive
     * @param time of every entry
     * @param texts files that are made for the download
     * @param names files of the folder
     */
    FolderDownload(String name, Instant time, Map<String, String> texts, Path folder, List<String> names) {
        this.name = name;
        this.time = time;
        this.texts = new LinkedHashMap<>();
        texts.forEach((file, text) -> this.texts.put(file, text.getBytes(StandardCharsets.UTF_8)));
        try {
            for (String file : names) {
                files.put(file, FileChannel.open(folder.resolve(file), StandardOpenOption.READ));
            }
        } catch (IOException e) {
            close();
            throw new ServingException(
                    ErrorCode.NOT_FOUND, "the files of %s can't be read any more".formatted(name), e);
        }
    }

    /** For the client's disk. */
    public String fileName() {
        return name + ".tar";
    }

    /** Writes the archive once; the stream stays open. */
    public void writeTo(OutputStream out) throws IOException {
        TarArchiveOutputStream tar = new TarArchiveOutputStream(out, StandardCharsets.UTF_8.name());
        tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
        tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        for (Map.Entry<String, byte[]> text : texts.entrySet()) {
            begin(tar, text.getKey(), text.getValue().length);
            tar.write(text.getValue());
            tar.closeArchiveEntry();
        }
        for (Map.Entry<String, FileChannel> file : files.entrySet()) {
            begin(tar, file.getKey(), file.getValue().size());
            Channels.newInputStream(file.getValue()).transferTo(tar);
            tar.closeArchiveEntry();
        }
        tar.finish();
        out.flush();
    }

    private void begin(TarArchiveOutputStream tar, String file, long bytes) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name + "/" + file);
        entry.setSize(bytes);
        entry.setModTime(time.toEpochMilli());
        tar.putArchiveEntry(entry);
    }

    @Override
    public void close() {
        for (FileChannel file : files.values()) {
            try {
                file.close();
            } catch (IOException e) {
                System.getLogger(FolderDownload.class.getName())
                        .log(System.Logger.Level.DEBUG, "a file of {0} can''t be closed: {1}", name, e.getMessage());
            }
        }
    }
}
