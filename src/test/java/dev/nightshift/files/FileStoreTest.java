package dev.nightshift.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.store.Database;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileStoreTest {
    private static final FileLimits LIMITS = new FileLimits(1000, 100, 10, 40, 5, Duration.ofHours(1));

    @TempDir
    Path folder;

    private final TestClock clock = new TestClock();
    private Database database;
    private FileStore files;
    private Uploads uploads;

    @BeforeEach
    void open() {
        database = Database.open(folder);
        files = new FileStore(database, folder.resolve("files"), LIMITS, clock);
        uploads = new Uploads(files, folder.resolve("uploads"));
    }

    @AfterEach
    void close() {
        database.close();
    }

    private void reopen() {
        close();
        open();
    }

    private Path incoming(String text) throws IOException {
        return Files.writeString(files.newIncoming(), text);
    }

    private static NewFile fineTune(Duration life) {
        return new NewFile("rows.jsonl", Purpose.FINE_TUNE, Optional.ofNullable(life));
    }

    private StoredFile store(String text) throws IOException {
        return files.accept(incoming(text), fineTune(null), LIMITS.fileBytesMax());
    }

    private static ServingException refused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        ServingException refusal = catchThrowableOfType(ServingException.class, call);
        assertThat(refusal).isNotNull();
        return refusal;
    }

    @Test
    void aFileSurvivesARestartAndWhatIsUnfinishedIsSwept() throws Exception {
        StoredFile file = store("{\"a\":1}\n");
        Path unfinished = incoming("half");
        Path orphan = Files.writeString(folder.resolve("files/contents/file-orphan"), "x");
        reopen();
        assertThat(files.get(file.id())).isEqualTo(file);
        assertThat(Files.readString(files.content(file.id()))).isEqualTo("{\"a\":1}\n");
        assertThat(unfinished).doesNotExist();
        assertThat(orphan).doesNotExist();
    }

    @Test
    void pagesFollowEachOtherWhileFilesAreDeleted() throws Exception {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            ids.add(store("{\"a\":" + i + "}").id());
        }
        List<String> seen = new ArrayList<>();
        Optional<String> after = Optional.empty();
        FilePage page;
        do {
            page = files.list(Optional.of(Purpose.FINE_TUNE), after, 3, false);
            for (StoredFile file : page.files()) {
                seen.add(file.id());
                files.delete(file.id());
            }
            after = Optional.of(page.files().getLast().id());
        } while (page.hasMore());
        assertThat(seen).isEqualTo(ids);
        assertThat(files.list(Optional.empty(), after, 3, false).files()).isEmpty();
    }

    @Test
    void anExpiredFileIsGoneBeforeItIsSweptAndItsContentAfterwards() throws Exception {
        StoredFile file = files.accept(incoming("{}"), fineTune(Duration.ofHours(2)), LIMITS.fileBytesMax());
        Path content = files.content(file.id());
        clock.pass(Duration.ofHours(2));
        assertThat(refused(() -> files.get(file.id())).code()).isEqualTo(ErrorCode.NOT_FOUND);
        assertThat(files.sweep()).isEqualTo(1);
        assertThat(content).doesNotExist();
        clock.pass(Duration.ofDays(2));
        assertThat(files.sweep()).isZero();
        assertThat(refused(() -> files.list(Optional.empty(), Optional.of(file.id()), 1, true))
                        .param())
                .contains("after");
    }

    @Test
    void aSnapshotStaysWhenTheFileIsDeleted() throws Exception {
        StoredFile file = store("{\"a\":1}");
        Path snapshot = folder.resolve("snapshot");
        files.snapshot(file.id(), snapshot);
        files.delete(file.id());
        assertThat(Files.readString(snapshot)).isEqualTo("{\"a\":1}");
    }

    @Test
    void whatIsRefusedIsNotStored() {
        assertThat(refused(() -> store("{\"a\":1}\n{")).getMessage()).contains("line 2");
        assertThat(refused(() -> store("")).param()).contains("file");
        assertThat(refused(() -> store("\"" + "x".repeat(1000) + "\"")).code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        assertThat(refused(() -> new NewFile("rows.txt", Purpose.FINE_TUNE, Optional.empty()))
                        .getMessage())
                .contains(".jsonl");
        assertThat(new NewFile("../../etc/x.jsonl", Purpose.FINE_TUNE, Optional.empty()).filename())
                .isEqualTo("x.jsonl");
        assertThat(refused(() -> fineTune(Duration.ofMinutes(59))).param()).contains("expires_after");
        assertThat(files.list(Optional.empty(), Optional.empty(), 10, true).files())
                .isEmpty();
    }

    private Upload begin(long bytes) {
        return uploads.create(fineTune(null), bytes, "text/jsonl");
    }

    private Upload.Part part(Upload upload, String text) throws IOException {
        return uploads.addPart(upload.id(), incoming(text));
    }

    @Test
    void partsThatCameInAnyOrderAreJoinedInTheClientsOrder() throws Exception {
        Upload upload = begin(17);
        Upload.Part second = part(upload, "\n{\"b\":2}");
        Upload.Part first = part(upload, "{\"a\":10}");
        Upload.Part unused = part(upload, "zzz");
        reopen();
        assertThat(refused(() -> uploads.complete(upload.id(), List.of(first.id()), Optional.empty()))
                        .getMessage())
                .contains("8 bytes", "created for 17");
        assertThat(refused(() -> uploads.complete(upload.id(), List.of(first.id(), first.id()), Optional.empty()))
                        .getMessage())
                .contains("named twice");
        assertThat(refused(() -> uploads.complete(upload.id(), List.of("part_x"), Optional.empty()))
                        .param())
                .contains("part_ids[0]");
        assertThat(unused.id()).startsWith("part_");
        Upload right = begin(16);
        List<String> order = List.of(
                part(right, "{\"a\":10}").id(), part(right, "\n{\"b\":2}").id());
        ServingException wrong = refused(() -> uploads.complete(right.id(), order, Optional.of("00")));
        assertThat(wrong.param()).contains("md5");
        String md5 = java.util.HexFormat.of()
                .formatHex(java.security.MessageDigest.getInstance("MD5")
                        .digest("{\"a\":10}\n{\"b\":2}".getBytes(StandardCharsets.UTF_8)));
        Uploads.Completed done = uploads.complete(right.id(), order, Optional.of(md5));
        assertThat(Files.readString(files.content(done.file().id()))).isEqualTo("{\"a\":10}\n{\"b\":2}");
        assertThat(done.upload().state()).isEqualTo(Upload.State.COMPLETED);
        assertThat(folder.resolve("uploads").resolve(right.id())).doesNotExist();
        assertThat(refused(() -> uploads.complete(right.id(), order, Optional.empty()))
                        .code())
                .isEqualTo(ErrorCode.CONFLICT);
        assertThat(second.bytes()).isEqualTo(8);
    }

    @Test
    void anUploadExpiresAfterItsHour() throws Exception {
        Upload upload = begin(8);
        part(upload, "{\"a\":10}");
        clock.pass(Duration.ofMinutes(59));
        uploads.sweep();
        assertThat(uploads.get(upload.id()).state()).isEqualTo(Upload.State.PENDING);
        clock.pass(Duration.ofMinutes(1));
        assertThat(refused(() -> part(upload, "x")).code()).isEqualTo(ErrorCode.CONFLICT);
        assertThat(uploads.get(upload.id()).state()).isEqualTo(Upload.State.EXPIRED);
        assertThat(folder.resolve("uploads").resolve(upload.id())).doesNotExist();
    }

    @Test
    void aCancelledUploadTakesNothingMore() throws Exception {
        Upload upload = begin(8);
        Upload.Part part = part(upload, "{\"a\":10}");
        assertThat(uploads.cancel(upload.id()).state()).isEqualTo(Upload.State.CANCELLED);
        assertThat(refused(() -> uploads.complete(upload.id(), List.of(part.id()), Optional.empty()))
                        .code())
                .isEqualTo(ErrorCode.CONFLICT);
        assertThat(refused(() -> uploads.cancel(upload.id())).code()).isEqualTo(ErrorCode.CONFLICT);
        assertThat(refused(() -> uploads.get("upload_none")).code()).isEqualTo(ErrorCode.NOT_FOUND);
    }

    @Test
    void partsAndUploadsHaveTheirLimits() throws Exception {
        assertThat(refused(() -> begin(41)).param()).contains("bytes");
        Upload upload = begin(40);
        assertThat(refused(() -> part(upload, "x".repeat(11))).code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        assertThat(refused(() -> part(upload, "")).param()).contains("data");
        for (int i = 0; i < 5; i++) {
            part(upload, "x");
        }
        assertThat(refused(() -> part(upload, "x")).getMessage()).contains("5 parts");
    }

    @Test
    void anUploadThatIsNoJsonlStaysPending() throws Exception {
        Upload upload = begin(5);
        Upload.Part part = part(upload, "{\"a\":");
        assertThat(refused(() -> uploads.complete(upload.id(), List.of(part.id()), Optional.empty()))
                        .getMessage())
                .contains("line 1");
        assertThat(uploads.get(upload.id()).state()).isEqualTo(Upload.State.PENDING);
    }
}
