package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasItem;
import static org.hamcrest.Matchers.hasSize;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.notNullValue;
import static org.hamcrest.Matchers.nullValue;
import static org.hamcrest.Matchers.startsWith;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.path.json.JsonPath;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The fine-tuning API on the started application, with a job on the embedded model. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class FineTuningTest {

    private static String upload(int rows) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < rows; i++) {
            text.append("{\"messages\":[{\"role\":\"user\",\"content\":\"colour %d?\"},".formatted(i))
                    .append("{\"role\":\"assistant\",\"content\":\"blue\"}]}\n");
        }
        return given().multiPart("purpose", "fine-tune")
                .multiPart("file", "rows.jsonl", text.toString().getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .then()
                .statusCode(200)
                .extract()
                .path("id");
    }

    private static String base() {
        return given().get("/v1/models").path("data[0].id");
    }

    private static JsonPath create(String file, String more) {
        return given().contentType("application/json")
                .body("{\"model\":\"%s\",\"training_file\":\"%s\"%s}".formatted(base(), file, more))
                .post("/v1/fine_tuning/jobs")
                .then()
                .statusCode(200)
                .extract()
                .jsonPath();
    }

    private static JsonPath await(String job, String... states) throws InterruptedException {
        long end = System.nanoTime() + 120_000_000_000L;
        while (System.nanoTime() < end) {
            JsonPath now = given().get("/v1/fine_tuning/jobs/" + job).jsonPath();
            if (java.util.List.of(states).contains(now.getString("status"))) {
                return now;
            }
            Thread.sleep(100);
        }
        throw new AssertionError(given().get("/v1/fine_tuning/jobs/" + job).asString());
    }

    @Test
    void trainsAndServesUnderTheSuffix() throws InterruptedException {
        JsonPath created = create(
                upload(12),
                ",\"suffix\":\"blue\",\"seed\":3,\"metadata\":{\"team\":\"colour\"},"
                        + "\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":6},"
                        + "\"nightshift\":{\"lora\":{\"r\":4},\"max_sequence_length\":64}");
        String id = created.getString("id");
        assertThat(id).startsWith("ftjob-");
        assertThat(created.getString("object")).isEqualTo("fine_tuning.job");
        assertThat(created.getString("fine_tuned_model")).isNull();
        JsonPath done = await(id, "succeeded", "failed");
        assertThat(done.getString("status")).as(done.prettify()).isEqualTo("succeeded");
        String name = done.getString("fine_tuned_model");
        assertThat(name).isEqualTo("ft:%s:nightshift:blue:%s", base(), id);
        assertThat(done.getInt("hyperparameters.n_epochs")).isEqualTo(2);
        assertThat(done.getInt("trained_tokens")).isPositive();
        for (String model : new String[] {"blue", name, name + ":ckpt-step-4"}) {
            given().contentType("application/json")
                    .body(
                            "{\"model\":\"%s\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"colour 1?\"}]}"
                                    .formatted(model))
                    .post("/v1/chat/completions")
                    .then()
                    .statusCode(200);
        }
        given().get("/v1/files/" + done.getString("result_files[0]") + "/content")
                .then()
                .statusCode(200)
                .body(startsWith("step,train_loss,train_accuracy"));
        given().get("/v1/fine_tuning/jobs/" + id + "/checkpoints")
                .then()
                .body("data[0].step_number", equalTo(4))
                .body("data[0].fine_tuned_model_checkpoint", equalTo(name + ":ckpt-step-4"))
                .body("data[0].metrics.train_loss", notNullValue())
                .body("first_id", startsWith("ftckpt_"));
        given().queryParam("limit", 100)
                .get("/v1/fine_tuning/jobs/" + id + "/events")
                .then()
                .body("data.message", hasItem("New fine-tuned model created: " + name))
                .body("data.type", hasItem("metrics"));
        String stream = given().queryParam("stream", true)
                .get("/v1/fine_tuning/jobs/" + id + "/events")
                .then()
                .statusCode(200)
                .header("Content-Type", containsString("text/event-stream"))
                .extract()
                .asString();
        assertThat(stream)
                .startsWith("data: {")
                .contains("Created fine-tuning job")
                .endsWith("data: [DONE]\n\n");
        given().queryParam("metadata[team]", "colour")
                .get("/v1/fine_tuning/jobs")
                .then()
                .body("data", hasSize(1))
                .body("data[0].id", equalTo(id));
        given().post("/v1/fine_tuning/jobs/" + id + "/cancel")
                .then()
                .statusCode(409)
                .header("x-should-retry", "false")
                .body("error.message", containsString("succeeded"));
    }

    @Test
    void faultyRowsFailTheJobWithLineNumbers() throws InterruptedException {
        String rows =
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n";
        String file = given().multiPart("purpose", "fine-tune")
                .multiPart("file", "bad.jsonl", (rows + "{\"messages\":[]}\n" + rows).getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .path("id");
        JsonPath failed = await(create(file, "").getString("id"), "failed", "succeeded");
        assertThat(failed.getString("status")).isEqualTo("failed");
        assertThat(failed.getString("error.param")).isEqualTo("training_file");
        assertThat(failed.getString("error.message")).contains("line 2");
    }

    @Test
    void faultsOfBothFilesAreInTheJobsError() throws InterruptedException {
        String good =
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n";
        String bad = "{\"messages\":[]}\n";
        String training = uploadText(good.repeat(11) + bad);
        String validation = uploadText(good + bad.repeat(2));
        JsonPath failed = await(
                create(training, ",\"validation_file\":\"%s\"".formatted(validation))
                        .getString("id"),
                "failed",
                "succeeded");
        assertThat(failed.getString("error.param")).isEqualTo("training_file");
        assertThat(failed.getString("error.message"))
                .contains("training_file: 1 fault: line 12 of '%s'".formatted(training))
                .contains("validation_file: 2 faults: line 2 of '%s'".formatted(validation))
                .contains("line 3 of '%s'".formatted(validation));
        given().queryParam("limit", 100)
                .get("/v1/fine_tuning/jobs/" + failed.getString("id") + "/events")
                .then()
                .body("data.message", hasItem(containsString("validation_file: 2 faults")));
    }

    private static String row(String question, String answer) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"},{\"role\":\"assistant\",\"content\":\"%s\"}]}\n"
                .formatted(question, answer);
    }

    /** An answer too long is learnt up to the limit; a question too long leaves nothing to learn. */
    @Test
    void rowsCutAndRowsLeftOutAreToldByTheDryRunAndByTheJob() throws InterruptedException {
        String longText = "blue ".repeat(100).strip();
        String file = uploadText(row("colour?", "blue").repeat(10)
                + row("colour?", longText).repeat(3)
                + row(longText, "blue").repeat(2));
        String validation = uploadText(row("colour?", "blue") + row("colour?", longText));
        String body = "\"validation_file\":\"%s\",\"hyperparameters\":{\"n_epochs\":1,\"batch_size\":4},"
                        .formatted(validation)
                + "\"nightshift\":{\"publish\":\"finite\",\"lora\":{\"r\":4},\"max_sequence_length\":64}";
        JsonPath told = check("{\"training_file\":\"%s\",%s}".formatted(file, body));
        int shortRow = check("{\"training_file\":\"%s\",\"nightshift\":{\"max_sequence_length\":64}}"
                        .formatted(uploadText(row("colour?", "blue").repeat(10))))
                .getInt("files[0].longest_tokens");
        assertThat(told.getInt("files[0].rows")).isEqualTo(15);
        assertThat(told.getInt("files[0].truncated_rows")).isEqualTo(5);
        assertThat(told.getInt("files[0].dropped_rows")).isEqualTo(2);
        assertThat(told.getInt("files[0].longest_tokens")).isEqualTo(64);
        assertThat(told.getInt("files[0].tokens")).isEqualTo(10 * shortRow + 3 * 64);
        assertThat(told.getInt("files[1].truncated_rows")).isEqualTo(1);
        assertThat(told.getInt("files[1].dropped_rows")).isZero();
        assertThat(told.getInt("training.training_rows")).isEqualTo(13);
        assertThat(told.getInt("training.trained_tokens")).isEqualTo(10 * shortRow + 3 * 64);
        String cut = "5 rows: longer than the maximum sequence length, cut at the end";
        String leftOut = "2 rows: left out, as no token to learn is within the maximum sequence length";
        String cutToo = "validation file: 1 row: longer than the maximum sequence length, cut at the end";
        assertThat(told.getList("notes", String.class)).contains(cut, leftOut, cutToo);
        JsonPath done = await(create(file, "," + body).getString("id"), "succeeded", "failed");
        assertThat(done.getString("status")).as(done.prettify()).isEqualTo("succeeded");
        assertThat(done.getInt("trained_tokens")).isEqualTo(10 * shortRow + 3 * 64);
        JsonPath events = given().queryParam("limit", 100)
                .get("/v1/fine_tuning/jobs/" + done.getString("id") + "/events")
                .jsonPath();
        assertThat(events.getList("data.message", String.class))
                .contains(cut, leftOut, cutToo)
                .anyMatch(text -> text.startsWith("Files validated") && text.contains("5 rows truncated"));
        assertThat(events.getInt("data.find { it.message.startsWith('Files validated') }.data.truncated_rows"))
                .isEqualTo(5);
    }

    @Test
    void aDryRunTellsWhatAJobWouldTakeAndKeepsNothing() {
        String file = upload(12);
        JsonPath told = given().contentType("application/json")
                .body(("{\"training_file\":\"%s\",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":5},"
                                + "\"nightshift\":{\"lora\":{\"r\":4},\"max_sequence_length\":64}}")
                        .formatted(file))
                .post("/v1/nightshift/datasets/check")
                .then()
                .statusCode(200)
                .body("object", equalTo("nightshift.dataset_check"))
                .body("valid", equalTo(true))
                .body("faults", hasSize(0))
                .body("files[0].rows", equalTo(12))
                .body("training.steps", equalTo(6))
                .extract()
                .jsonPath();
        assertThat(told.getInt("training.trained_tokens")).isEqualTo(2 * told.getInt("files[0].tokens"));
        assertThat(told.getInt("files[0].longest_tokens")).isLessThanOrEqualTo(64);
        assertThat(told.getDouble("training.estimated_seconds")).isPositive();
        assertThat(told.getLong("training.memory.arena_bytes"))
                .isPositive()
                .isLessThanOrEqualTo(told.getLong("training.memory.arena_bytes_max") + (64 << 20));
        given().get("/v1/fine_tuning/jobs").then().body("data.training_file", not(hasItem(file)));
    }

    @Test
    void aDryRunTellsFaultsWithTheirLines() {
        String rows =
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n";
        String file = given().multiPart("purpose", "fine-tune")
                .multiPart(
                        "file", "bad.jsonl", (rows + "{\"messages\":[]}\n".repeat(30)).getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .path("id");
        given().contentType("application/json")
                .body("{\"training_file\":\"%s\",\"validation_file\":\"%s\"}".formatted(upload(10), file))
                .post("/v1/nightshift/datasets/check")
                .then()
                .statusCode(200)
                .body("valid", equalTo(false))
                .body("training", nullValue())
                .body("fault_count", equalTo(30))
                .body("faults", hasSize(20))
                .body("faults[0].file", equalTo(file))
                .body("faults[0].line", equalTo(2));
        given().contentType("application/json")
                .body("{\"training_file\":\"file-none\"}")
                .post("/v1/nightshift/datasets/check")
                .then()
                .statusCode(400)
                .body("error.param", equalTo("training_file"));
    }

    private static String uploadOf(int rows, String answer) {
        return uploadText(row("colour?", answer).repeat(rows));
    }

    private static String uploadText(String rows) {
        return given().multiPart("purpose", "fine-tune")
                .multiPart("file", "rows.jsonl", rows.getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .path("id");
    }

    private static JsonPath check(String body) {
        return given().contentType("application/json")
                .body(body)
                .post("/v1/nightshift/datasets/check")
                .then()
                .statusCode(200)
                .body("valid", equalTo(true))
                .extract()
                .jsonPath();
    }

    @Test
    void rowsOfTwoFilesAreTrainedByTheirWeights() throws InterruptedException {
        String some = uploadOf(12, "blue");
        String many = uploadOf(10, "green and yellow, with a little red");
        String only = "{\"training_file\":\"%s\",\"nightshift\":{\"lora\":{\"r\":4},\"max_sequence_length\":64}}";
        int shortRow = check(only.formatted(some)).getInt("files[0].longest_tokens");
        int longRow = check(only.formatted(many)).getInt("files[0].longest_tokens");
        assertThat(longRow).isGreaterThan(shortRow);
        // 12 x 0.5 and 10 x 2.5: of 31 rows, 25 are long ones
        JsonPath done = await(
                create(
                                some,
                                ",\"hyperparameters\":{\"n_epochs\":1,\"batch_size\":4},\"nightshift\":{\"publish\":\"finite\","
                                        + "\"lora\":{\"r\":4},\"max_sequence_length\":64,\"training_file_weight\":0.5,"
                                        + "\"files\":[{\"id\":\"%s\",\"weight\":2.5}]}".formatted(many))
                        .getString("id"),
                "succeeded",
                "failed");
        assertThat(done.getString("status")).as(done.prettify()).isEqualTo("succeeded");
        assertThat(done.getInt("trained_tokens")).isEqualTo(6 * shortRow + 25 * longRow);
    }

    @Test
    void theTimeToldBeforeAJobIsNearTheTimeThatItTakes() throws InterruptedException {
        String rest = "\"hyperparameters\":{\"n_epochs\":3,\"batch_size\":4},"
                + "\"nightshift\":{\"publish\":\"finite\",\"lora\":{\"r\":4},\"max_sequence_length\":64}";
        String file = upload(20);
        double dry =
                check("{\"training_file\":\"%s\",%s}".formatted(file, rest)).getDouble("training.estimated_seconds");
        String id = create(file, "," + rest).getString("id");
        await(id, "running", "succeeded", "failed");
        long begun = System.nanoTime();
        JsonPath done = await(id, "succeeded", "failed");
        double took = (System.nanoTime() - begun) / 1e9;
        assertThat(done.getString("status")).as(done.prettify()).isEqualTo("succeeded");
        Map<String, Object> told = given().queryParam("limit", 100)
                .get("/v1/fine_tuning/jobs/" + id + "/events")
                .jsonPath()
                .getMap("data.find { it.message.startsWith('Files validated') }.data");
        double before = ((Number) told.get("estimated_seconds")).doubleValue();
        System.out.printf("estimated %.2f s by a dry run, %.2f s before the job; it took %.2f s%n", dry, before, took);
        assertThat(told)
                .containsEntry("rows", 20)
                .containsEntry("total_steps", 15)
                .containsKeys("training_memory_bytes", "trained_tokens");
        // other tests of the machine run beside it: a factor of four each way
        assertThat(before).isBetween(took / 4, took * 4);
        assertThat(dry).isBetween(took / 4, took * 4);
    }

    @Test
    void refusesWhatIsWrongAtOnce() {
        Map<String, String> wrong = Map.of(
                "{\"model\":\"BASE\",\"training_file\":\"file-none\"}", "training_file",
                "{\"model\":\"BASE\"}", "training_file",
                "{\"model\":\"BASE\",\"training_file\":\"f\",\"integrations\":[{\"type\":\"wandb\"}]}", "integrations");
        wrong.forEach((body, param) -> given().contentType("application/json")
                .body(body.replace("BASE", base()))
                .post("/v1/fine_tuning/jobs")
                .then()
                .statusCode(400)
                .body("error.param", equalTo(param)));
        given().get("/v1/fine_tuning/jobs/ftjob-none")
                .then()
                .statusCode(404)
                .body("error.code", equalTo("not_found"))
                .body("error.type", equalTo("invalid_request_error"));
        given().queryParam("limit", 0).get("/v1/fine_tuning/jobs").then().statusCode(400);
        given().queryParam("stream", true)
                .get("/v1/fine_tuning/jobs/ftjob-none/events")
                .then()
                .statusCode(404)
                .body("error.code", notNullValue());
    }

    private static void moves(String job, String how, int status, String state) {
        given().post("/v1/fine_tuning/jobs/" + job + "/" + how)
                .then()
                .statusCode(status)
                .body(status == 200 ? "status" : "error.message", containsString(state));
    }

    @Test
    void aPausedJobIsResumedWhereItStood() throws InterruptedException {
        String id = create(
                        upload(10),
                        ",\"hyperparameters\":{\"n_epochs\":50,\"batch_size\":1},"
                                + "\"nightshift\":{\"publish\":\"finite\",\"checkpoint_every\":1000}")
                .getString("id");
        await(id, "running");
        moves(id, "pause", 200, "paused");
        moves(id, "pause", 409, "paused");
        assertThat(await(id, "paused").getString("fine_tuned_model")).isNull();
        moves(id, "resume", 200, "queued");
        await(id, "running");
        moves(id, "resume", 409, "running");
        given().queryParam("limit", 100)
                .get("/v1/fine_tuning/jobs/" + id + "/events")
                .then()
                .body("data.message", hasItem("The job was paused"))
                .body("data.message", hasItem("The job was resumed"));
        moves(id, "cancel", 200, "cancelled");
        moves(id, "pause", 409, "cancelled");
    }

    @Test
    void cancelledJobStaysCancelled() {
        String id = create(upload(10), ",\"hyperparameters\":{\"n_epochs\":50}").getString("id");
        given().post("/v1/fine_tuning/jobs/" + id + "/cancel")
                .then()
                .statusCode(200)
                .body("status", equalTo("cancelled"))
                .body("fine_tuned_model", nullValue());
    }
}
