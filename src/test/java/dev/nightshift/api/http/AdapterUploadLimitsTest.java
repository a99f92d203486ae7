package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.RestAssured;
import io.restassured.response.Response;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Each bound of an upload over HTTP: refused with the bound's name, and nothing of it is left. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class AdapterUploadLimitsTest {
    private static final int LIMIT = 64 << 20;

    private static Path root() {
        return Path.of(ConfigProvider.getConfig().getValue("nightshift.adapters", String.class));
    }

    private interface Filling {
        void into(TarArchiveOutputStream tar) throws IOException;
    }

    private static byte[] tar(Filling filling) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
            filling.into(tar);
        }
        return bytes.toByteArray();
    }

    private static Response post(String type, byte[] body) {
        return given().queryParam("name", "bounded")
                .contentType(type)
                .body(body)
                .post("/v1/adapters");
    }

    private static void refused(Response answer, int status, String... words) {
        assertThat(answer.statusCode()).as(answer.asString()).isEqualTo(status);
        assertThat(answer.jsonPath().getString("error.message")).contains(words);
    }

    @AfterEach
    void nothingIsServedAndNothingIsLeft() throws IOException {
        given().get("/v1/adapters/bounded").then().statusCode(404);
        if (!Files.exists(root())) {
            return; // refused before anything was made
        }
        try (Stream<Path> left = Files.list(root())) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .noneMatch(name -> name.startsWith(".staged") || name.equals("bounded"));
        }
    }

    /** By the length that the client declares, before a byte of it is read. */
    @Test
    void twoFilesThatAreTooLargeTogether() throws IOException {
        String request = "POST /v1/adapters HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: " + (LIMIT + 1L) + "\r\n\r\n";
        try (Socket socket = new Socket("localhost", RestAssured.port)) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            BufferedReader answer =
                    new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            assertThat(answer.readLine()).contains("413");
            String line = answer.readLine();
            int length = 0;
            for (; !line.isEmpty(); line = answer.readLine()) {
                if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
                    length = Integer.parseInt(line.substring(15).trim());
                }
            }
            char[] body = new char[length];
            for (int at = 0, read; at < length && (read = answer.read(body, at, length - at)) > 0; at += read) {}
            assertThat(new String(body)).contains(Integer.toString(LIMIT), "nightshift.adapter-upload-limit");
        }
    }

    @Test
    void anArchiveThatIsTooLarge() {
        refused(
                post("application/x-tar", new byte[LIMIT + 1]),
                413,
                Integer.toString(LIMIT),
                "nightshift.adapter-upload-limit");
    }

    @Test
    void tooManyEntries() throws IOException {
        byte[] body = tar(tar -> {
            for (int i = 0; i < 257; i++) {
                TinyAdapter.entry(tar, "file" + i, new byte[1]);
            }
        });
        refused(post("application/x-tar", body), 413, "256 entries");
    }

    @Test
    void aBomb() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(bytes)) {
            zip.putArchiveEntry(new ZipArchiveEntry("adapter_model.safetensors"));
            zip.write(new byte[LIMIT - 1]);
            zip.closeArchiveEntry();
        }
        refused(post("application/zip", bytes.toByteArray()), 413, "100 times");
    }

    @Test
    void pathsThatLeadOut() throws IOException {
        for (String path :
                List.of("../adapter_config.json", "/etc/adapter_config.json", "a/../../adapter_config.json")) {
            byte[] body = tar(tar -> TinyAdapter.entry(tar, path, new byte[2]));
            refused(post("application/x-tar", body), 400, "points out of the archive");
        }
    }

    @Test
    void links() throws IOException {
        for (byte kind : new byte[] {TarConstants.LF_SYMLINK, TarConstants.LF_LINK}) {
            byte[] body = tar(tar -> {
                TarArchiveEntry link = new TarArchiveEntry("adapter_config.json", kind);
                link.setLinkName("/etc/passwd");
                tar.putArchiveEntry(link);
                tar.closeArchiveEntry();
            });
            refused(post("application/x-tar", body), 400, "link");
        }
    }
}
