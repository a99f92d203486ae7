package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasItem;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.nullValue;
import static org.hamcrest.Matchers.startsWith;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.response.ValidatableResponse;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Files and uploads as clients see them. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class FilesTest {
    private static final String FILES = "/v1/files";
    private static final byte[] ROWS = "\uFEFF{\"text\":\"caf\u00E9 \u2028 \uD83D\uDE00\"}\r\n\r\n{\"text\":\"b\"}"
            .getBytes(StandardCharsets.UTF_8);

    @TestHTTPResource
    URI server;

    private static ValidatableResponse upload(String name, byte[] content, String purpose) {
        return given().multiPart("file", name, content)
                .multiPart("purpose", purpose)
                .post(FILES)
                .then();
    }

    private static String stored(String name, String purpose) {
        return upload(name, "{\"text\":\"a\"}\n".getBytes(StandardCharsets.UTF_8), purpose)
                .statusCode(200)
                .extract()
                .path("id");
    }

    private static void refused(ValidatableResponse answer, int status, String param, String message) {
        answer.statusCode(status)
                .contentType(containsString("json"))
                .body("error.type", equalTo("invalid_request_error"))
                .body("error.param", param == null ? nullValue() : equalTo(param))
                .body("error.message", containsString(message));
    }

    @Test
    void aFileComesBackByteByByteWhateverTheClientAccepts() {
        String id = upload("../rows.jsonl", ROWS, "fine-tune")
                .statusCode(200)
                .body("object", equalTo("file"))
                .body("id", startsWith("file-"))
                .body("bytes", equalTo(ROWS.length))
                .body("filename", equalTo("rows.jsonl"))
                .body("purpose", equalTo("fine-tune"))
                .body("status", equalTo("processed"))
                .extract()
                .path("id");
        byte[] content = given().accept("application/binary")
                .get(FILES + "/" + id + "/content")
                .then()
                .statusCode(200)
                .extract()
                .asByteArray();
        assertThat(content).isEqualTo(ROWS);
        assertThat(given().head(FILES + "/" + id + "/content")
                        .then()
                        .statusCode(200)
                        .header("Content-Length", Integer.toString(ROWS.length))
                        .header("Content-Disposition", containsString("attachment"))
                        .extract()
                        .asByteArray())
                .isEmpty();
        given().get(FILES + "/" + id)
                .then()
                .statusCode(200)
                .body("id", equalTo(id))
                .body("expires_at", nullValue());
        given().delete(FILES + "/" + id)
                .then()
                .statusCode(200)
                .body("deleted", equalTo(true))
                .body("id", equalTo(id));
        refused(given().get(FILES + "/" + id).then(), 404, "file_id", id);
        refused(given().get(FILES + "/" + id + "/content").then(), 404, "file_id", id);
        refused(given().delete(FILES + "/" + id).then(), 404, "file_id", id);
    }

    @Test
    void aClientThatIgnoresHasMoreComesToAnEmptyPage() {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            ids.add(stored("page.jsonl", "evals"));
        }
        List<String> seen = new ArrayList<>();
        Map<String, Object> query = new java.util.HashMap<>(Map.of("purpose", "evals", "limit", 2, "order", "asc"));
        while (true) {
            ValidatableResponse page =
                    given().queryParams(query).get(FILES).then().statusCode(200);
            List<String> part = page.extract().path("data.id");
            if (part.isEmpty()) {
                page.body("has_more", equalTo(false)).body("first_id", nullValue());
                break;
            }
            page.body("object", equalTo("list"))
                    .body("first_id", equalTo(part.getFirst()))
                    .body("last_id", equalTo(part.getLast()));
            seen.addAll(part);
            query.put("after", part.getLast());
        }
        // other tests of the same application leave older files
        assertThat(seen).doesNotHaveDuplicates().endsWith(ids.toArray(String[]::new));
        given().queryParam("purpose", "batch")
                .get(FILES)
                .then()
                .statusCode(200)
                .body("data.id", not(hasItem(ids.get(0))));
        given().queryParams(Map.of("purpose", "evals", "limit", 1))
                .get(FILES)
                .then()
                .body("data[0].id", equalTo(ids.getLast()))
                .body("has_more", equalTo(true));
        refused(given().queryParam("after", "file-none").get(FILES).then(), 400, "after", "file-none");
        refused(given().queryParam("limit", "0").get(FILES).then(), 400, "limit", "0");
        refused(given().queryParam("order", "up").get(FILES).then(), 400, "order", "up");
        refused(given().queryParam("purpose", "fun").get(FILES).then(), 400, "purpose", "fun");
    }

    @Test
    void whatIsWrongWithAFileIsNamed() {
        byte[] broken = "{\"a\":1}\n\n{\"a\":".getBytes(StandardCharsets.UTF_8);
        refused(upload("x.jsonl", broken, "fine-tune"), 400, "file", "line 3");
        byte[] latin = "{\"a\":\"\u00FC\"}".getBytes(StandardCharsets.ISO_8859_1);
        refused(upload("x.jsonl", latin, "fine-tune"), 400, "file", "line 1 of 'x.jsonl': not valid UTF-8");
        refused(upload("x.jsonl", new byte[0], "fine-tune"), 400, "file", "empty");
        refused(upload("x.txt", ROWS, "fine-tune"), 400, "file", ".jsonl");
        refused(upload("x.jsonl", ROWS, "fun"), 400, "purpose", "fun");
        refused(upload("x.jsonl", ROWS, "fine-tune-results"), 400, "purpose", "fine-tune-results");
        refused(given().multiPart("file", "x.jsonl", ROWS).post(FILES).then(), 400, "purpose", "required");
        refused(given().multiPart("purpose", "batch").post(FILES).then(), 400, "file", "required");
        refused(given().contentType("application/json").body("{}").post(FILES).then(), 415, null, "multipart");
    }

    /** Seconds from creation to expiry. */
    private static int life(ValidatableResponse object) {
        int created = object.extract().path("created_at");
        int expires = object.extract().path("expires_at");
        return expires - created;
    }

    @Test
    void aFileExpiresWhenItSays() {
        ValidatableResponse file = given().multiPart("file", "x.jsonl", ROWS)
                .multiPart("purpose", "fine-tune")
                .multiPart("expires_after[anchor]", "created_at")
                .multiPart("expires_after[seconds]", "3600")
                .post(FILES + "/")
                .then()
                .statusCode(200);
        assertThat(life(file)).isEqualTo(3600);
        refused(
                given().multiPart("file", "x.jsonl", ROWS)
                        .multiPart("purpose", "fine-tune")
                        .multiPart("expires_after[anchor]", "created_at")
                        .multiPart("expires_after[seconds]", "10")
                        .post(FILES)
                        .then(),
                400,
                "expires_after",
                "3600");
    }

    @Test
    void aFileMayBeLargerThanOtherBodies() {
        byte[] large = new byte[34 << 20];
        java.util.Arrays.fill(large, (byte) ' ');
        for (int i = 1000; i < large.length; i += 1000) {
            large[i] = '\n';
        }
        large[0] = '7';
        String id = upload("large.jsonl", large, "fine-tune")
                .statusCode(200)
                .extract()
                .path("id");
        byte[] content =
                given().get(FILES + "/" + id + "/content").then().extract().asByteArray();
        assertThat(java.util.Arrays.equals(content, large)).isTrue();
        given().delete(FILES + "/" + id).then().statusCode(200);
    }

    @Test
    void aFileOverItsLimitIsA413WithAnErrorObject() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            String head = "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                    + "Content-Length: 50000000\r\n\r\n";
            http.send(head.getBytes(StandardCharsets.US_ASCII));
            assertThat(http.until("payload_too_large", Duration.ofSeconds(10))).contains("413", "41943040");
        }
    }

    private static ValidatableResponse json(String path, String body) {
        return given().contentType("application/json").body(body).post(path).then();
    }

    private static String part(String upload, String text) {
        return given().multiPart("data", "blob", text.getBytes(StandardCharsets.UTF_8))
                .post("/v1/uploads/" + upload + "/parts")
                .then()
                .statusCode(200)
                .body("object", equalTo("upload.part"))
                .body("upload_id", equalTo(upload))
                .extract()
                .path("id");
    }

    private static String begin(int bytes) {
        ValidatableResponse upload = json(
                        "/v1/uploads",
                        "{\"filename\":\"big.jsonl\",\"purpose\":\"fine-tune\",\"bytes\":" + bytes
                                + ",\"mime_type\":\"text/jsonl\"}")
                .statusCode(200)
                .body("object", equalTo("upload"))
                .body("status", equalTo("pending"))
                .body("file", nullValue());
        assertThat(life(upload)).isEqualTo(3600);
        return upload.extract().path("id");
    }

    @Test
    void partsBecomeAFile() {
        String upload = begin(16);
        String second = part(upload, "\n{\"b\":2}");
        String first = part(upload, "{\"a\":10}");
        String complete = "/v1/uploads/" + upload + "/complete";
        refused(json(complete, "{\"part_ids\":[\"" + first + "\"]}"), 400, "part_ids", "16");
        String file = json(complete, "{\"part_ids\":[\"" + first + "\",\"" + second + "\"]}")
                .statusCode(200)
                .body("status", equalTo("completed"))
                .body("file.object", equalTo("file"))
                .body("file.bytes", equalTo(16))
                .extract()
                .path("file.id");
        assertThat(given().get(FILES + "/" + file + "/content").then().extract().asString())
                .isEqualTo("{\"a\":10}\n{\"b\":2}");
        json("/v1/uploads/" + upload + "/cancel", "{}")
                .statusCode(409)
                .header("x-should-retry", "false")
                .body("error.code", equalTo("conflict"));
    }

    @Test
    void whatIsWrongWithAnUploadIsNamed() {
        String upload = begin(3_000_000);
        refused(
                given().multiPart("data", "blob", new byte[(1 << 20) + 1])
                        .post("/v1/uploads/" + upload + "/parts")
                        .then(),
                413,
                "data",
                "1048576");
        refused(json("/v1/uploads/upload_x/complete", "{\"part_ids\":[]}"), 404, "upload_id", "upload_x");
        refused(
                given().multiPart("data", "blob", new byte[9])
                        .post("/v1/uploads/upload_x/parts")
                        .then(),
                404,
                "upload_id",
                "upload_x");
        refused(json("/v1/uploads", "{\"purpose\":\"fine-tune\"}"), 400, "filename", "required");
        json("/v1/uploads/" + upload + "/cancel", "").statusCode(200).body("status", equalTo("cancelled"));
    }
}
