package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** A version on its way out. Its files are open, so that deleting the version meanwhile takes nothing away. */
public final class AdapterDownload implements AutoCloseable {
    private final AdapterVersion version;
    private final byte[] card;
    private final Map<String, FileChannel> files = new LinkedHashMap<>();

    AdapterDownload(AdapterVersion version, Path folder, String card) {
        this.version = version;
        this.card = card.getBytes(StandardCharsets.UTF_8);
        try {
            open(folder, PeftFolder.CONFIG);
            open(folder, PeftFolder.WEIGHTS);
            if (!version.foreign()) {
                open(folder, AdapterRecord.FILE);
            }
        } catch (IOException e) {
            close();
            throw new ServingException(
                    ErrorCode.NOT_FOUND, "the files of %s can't be read any more".formatted(version.id()), e);
        }
    }

    private void open(Path folder, String name) throws IOException {
        files.put(name, FileChannel.open(folder.resolve(name), StandardOpenOption.READ));
    }

    /** For the client's disk. */
    public String fileName() {
        return version.name() + "-" + version.number() + ".tar";
    }

    /** Writes the archive once; the stream stays open. */
    public void writeTo(OutputStream out) throws IOException {
        String folder = version.name() + "-" + version.number() + "/";
        TarArchiveOutputStream tar = new TarArchiveOutputStream(out, StandardCharsets.UTF_8.name());
        tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
        tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        entry(tar, folder + "README.md", card.length);
        tar.write(card);
        tar.closeArchiveEntry();
        for (Map.Entry<String, FileChannel> file : files.entrySet()) {
            entry(tar, folder + file.getKey(), file.getValue().size());
            InputStream in = Channels.newInputStream(file.getValue());
            in.transferTo(tar);
            tar.closeArchiveEntry();
        }
        tar.finish();
        out.flush();
    }

    private void entry(TarArchiveOutputStream tar, String name, long bytes) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name);
        entry.setSize(bytes);
        entry.setModTime(version.origin().created().toEpochMilli());
        tar.putArchiveEntry(entry);
    }

    @Override
    public void close() {
        for (FileChannel file : files.values()) {
            try {
                file.close();
            } catch (IOException e) {
                System.getLogger(AdapterDownload.class.getName())
                        .log(
                                System.Logger.Level.DEBUG,
                                "a file of {0} can''t be closed: {1}",
                                version.id(),
                                e.getMessage());
            }
        }
    }
}
