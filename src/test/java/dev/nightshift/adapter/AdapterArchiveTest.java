package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Archives of friends and foes. */
class AdapterArchiveTest {
    private static final UploadLimits LIMITS = new UploadLimits(8 << 20, 20, 50);
    private static final byte[] CONFIG = "{\"r\": 8}".getBytes(StandardCharsets.UTF_8);
    private static final byte[] WEIGHTS = "tensors".getBytes(StandardCharsets.UTF_8);

    @TempDir
    Path root;

    private Path into;

    @BeforeEach
    void stage() throws IOException {
        into = Files.createDirectories(root.resolve("adapters").resolve(".staged"));
    }

    /** Both formats behind one face. */
    private interface Pack {
        void file(String name, byte[] content) throws IOException;
    }

    private interface Filling {
        void fill(Pack pack) throws IOException;
    }

    private static byte[] tar(Filling filling) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            filling.fill((name, content) -> {
                TarArchiveEntry entry = new TarArchiveEntry(name, true);
                entry.setSize(content.length);
                tar.putArchiveEntry(entry);
                tar.write(content);
                tar.closeArchiveEntry();
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static byte[] zip(Filling filling) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(bytes)) {
            filling.fill((name, content) -> {
                zip.putArchiveEntry(new ZipArchiveEntry(name));
                zip.write(content);
                zip.closeArchiveEntry();
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static byte[] archive(String format, Filling filling) {
        return format.equals("tar") ? tar(filling) : zip(filling);
    }

    private static Filling adapter(String folder) {
        return pack -> {
            pack.file(folder + "adapter_config.json", CONFIG);
            pack.file(folder + "adapter_model.safetensors", WEIGHTS);
        };
    }

    private void unpack(byte[] archive) throws IOException {
        Path file = root.resolve("upload");
        Files.write(file, archive);
        AdapterArchive.unpack(file, into, LIMITS);
    }

    private ServingException refused(byte[] archive) {
        ServingException refusal = catchThrowableOfType(ServingException.class, () -> unpack(archive));
        assertThat(refusal).as("not refused").isNotNull();
        // whatever it tried, nothing lies outside of the staged folder
        try (var all = Files.walk(root)) {
            assertThat(all.filter(Files::isRegularFile).filter(file -> !file.startsWith(into)))
                    .containsExactly(root.resolve("upload"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return refusal;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tar", "zip"})
    void theFilesOfAnAdapterAreTakenFromTheTopOrFromAFolder(String format) throws IOException {
        unpack(archive(format, adapter("")));
        assertThat(into.resolve("adapter_config.json")).hasBinaryContent(CONFIG);
        Files.delete(into.resolve("adapter_config.json"));
        Files.delete(into.resolve("adapter_model.safetensors"));
        unpack(archive(format, adapter("./support-bot-3/")));
        assertThat(into.resolve("adapter_model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"tar", "zip"})
    void otherFilesArePassedOver(String format) throws IOException {
        unpack(archive(format, pack -> {
            adapter("").fill(pack);
            pack.file("README.md", CONFIG);
            pack.file("training_args.bin", CONFIG);
            pack.file("tokenizer/tokenizer.json", CONFIG);
        }));
        try (var files = Files.list(into)) {
            assertThat(files).hasSize(2);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../adapter_config.json",
                "a/../../adapter_config.json",
                "/etc/adapter_config.json",
                "..\\adapter_config.json",
                "C:/adapter_config.json",
                "a/.."
            })
    void pathsThatLeadOutAreRefused(String path) {
        for (String format : new String[] {"tar", "zip"}) {
            ServingException refusal = refused(archive(format, pack -> {
                adapter("").fill(pack);
                pack.file(path, CONFIG);
            }));
            assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
            assertThat(refusal).hasMessageContaining("points out of the archive");
            clear();
        }
    }

    private void clear() {
        try {
            Files.deleteIfExists(into.resolve("adapter_config.json"));
            Files.deleteIfExists(into.resolve("adapter_model.safetensors"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(bytes = {TarConstants.LF_SYMLINK, TarConstants.LF_LINK, TarConstants.LF_CHR, TarConstants.LF_FIFO})
    void linksAndDevicesInATarAreRefused(byte kind) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            TarArchiveEntry entry = new TarArchiveEntry("adapter_model.safetensors", kind);
            entry.setLinkName("/etc/passwd");
            tar.putArchiveEntry(entry);
            tar.closeArchiveEntry();
        }
        assertThat(refused(bytes.toByteArray())).hasMessageContaining("link or a device");
    }

    @Test
    void aLinkInAZipIsRefused() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(bytes)) {
            ZipArchiveEntry entry = new ZipArchiveEntry("adapter_config.json");
            entry.setUnixMode(0120777);
            zip.putArchiveEntry(entry);
            zip.write("/etc/passwd".getBytes(StandardCharsets.UTF_8));
            zip.closeArchiveEntry();
        }
        assertThat(refused(bytes.toByteArray())).hasMessageContaining("link or a device");
    }

    @Test
    void aBombIsRefusedByItsRatio() {
        ServingException refusal = refused(zip(pack -> {
            adapter("").fill(pack);
            pack.file("zeros", new byte[6 << 20]);
        }));
        assertThat(refusal.code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        assertThat(refusal).hasMessageContaining("50 times").hasMessageContaining("zeros");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tar", "zip"})
    void moreThanTheLimitIsRefusedWithIt(String format) {
        byte[] noise = new byte[5 << 20];
        new Random(1).nextBytes(noise);
        ServingException refusal = refused(archive(format, pack -> {
            pack.file("a", noise);
            pack.file("b", noise);
        }));
        assertThat(refusal.code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        assertThat(refusal).hasMessageContaining(Integer.toString(8 << 20));
    }

    @ParameterizedTest
    @ValueSource(strings = {"tar", "zip"})
    void tooManyEntriesAreRefusedWithTheLimit(String format) {
        ServingException refusal = refused(archive(format, pack -> {
            for (int i = 0; i < 21; i++) {
                pack.file("file" + i, new byte[0]);
            }
        }));
        assertThat(refusal.code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        assertThat(refusal).hasMessageContaining("20 entries");
    }

    @Test
    void aFileThatIsThereTwiceOrInTwoFoldersIsRefused() {
        assertThat(refused(tar(pack -> {
                    adapter("").fill(pack);
                    adapter("").fill(pack);
                })))
                .hasMessageContaining("twice");
        clear();
        assertThat(refused(tar(pack -> {
                    adapter("a/").fill(pack);
                    adapter("b/").fill(pack);
                })))
                .hasMessageContaining("two folders");
    }

    @Test
    void pickledTensorsAndMissingFilesAreRefusedByName() {
        assertThat(refused(tar(pack -> {
                    pack.file("adapter_config.json", CONFIG);
                    pack.file("adapter_model.bin", WEIGHTS);
                })))
                .hasMessageContaining("adapter_model.bin is pickled");
        clear();
        assertThat(refused(zip(pack -> pack.file("adapter_config.json", CONFIG))))
                .hasMessageContaining("no adapter_model.safetensors");
    }

    @Test
    void whatIsNoArchiveIsRefused() throws IOException {
        assertThat(refused(new byte[0])).hasMessageContaining("neither a .tar nor a .zip");
        assertThat(refused("hello".getBytes(StandardCharsets.UTF_8))).hasMessageContaining("neither");
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(tar(adapter("")));
        }
        assertThat(refused(packed.toByteArray())).hasMessageContaining("compressed tars are not supported");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tar", "zip"})
    void everyCutArchiveIsRefusedOrEndsInAnIoError(String format) {
        byte[] whole = archive(format, adapter("folder/"));
        for (int length = 0; length < whole.length - 1024; length += 97) {
            byte[] cut = Arrays.copyOf(whole, length);
            try {
                unpack(cut);
                // a tar may be complete before its padding ends
                assertThat(into.resolve("adapter_model.safetensors")).hasBinaryContent(WEIGHTS);
            } catch (ServingException | IOException expected) {
                assertThat(expected).hasMessageNotContaining(root.toString());
            }
            clear();
        }
    }
}
