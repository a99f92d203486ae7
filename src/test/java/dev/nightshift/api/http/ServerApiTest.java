package dev.nightshift.api.http;

import static dev.nightshift.api.http.Api.CHAT;
import static dev.nightshift.api.http.Api.chat;
import static dev.nightshift.api.http.Api.ok;
import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasItem;
import static org.hamcrest.Matchers.nullValue;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Models, health, metrics, the OpenAPI document. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ServerApiTest {

    @Test
    void theBaseModelComesFirstInTheList() {
        given().get("/v1/models")
                .then()
                .statusCode(200)
                .body("object", equalTo("list"))
                .body("data[0].id", equalTo("nightshift-tiny"))
                .body("data[0].object", equalTo("model"))
                .body("data[0].owned_by", equalTo("nightshift"))
                .body("data[0].parent", nullValue())
                .body("data[0].max_model_len", equalTo(1024));
    }

    @Test
    void aModelIsDescribedAndAnUnknownIdMayHoldSlashesAndColons() {
        given().get("/v1/models/nightshift-tiny").then().statusCode(200).body("id", equalTo("nightshift-tiny"));
        for (String id : new String[] {"org/other", "org%2Fother", "ft:base:nightshift:x:ftjob-1", "a%20b"}) {
            given().urlEncodingEnabled(false)
                    .get("/v1/models/" + id)
                    .then()
                    .statusCode(404)
                    .body("error.code", equalTo("model_not_found"))
                    .body("error.param", equalTo("model"));
        }
        given().urlEncodingEnabled(false)
                .get("/v1/models/org%2Fother")
                .then()
                .body("error.message", containsString("'org/other'"));
    }

    @Test
    void healthIsUpOnceTheModelIsLoaded() {
        given().get("/health")
                .then()
                .statusCode(200)
                .body("status", equalTo("UP"))
                .body("checks.name", hasItem("model"));
        given().get("/health/live").then().statusCode(200).body("checks.name", hasItem("engine"));
        given().get("/health/ready").then().statusCode(200);
    }

    @Test
    void metricsHaveVllmsNamesAndOurs() {
        ok(CHAT, chat("Hi", "\"max_tokens\":4"));
        String metrics =
                given().get("/metrics").then().statusCode(200).extract().asString();
        for (String name : new String[] {
            "vllm:num_requests_running{",
            "vllm:num_requests_waiting{",
            "vllm:kv_cache_usage_perc{",
            "vllm:prompt_tokens_total{",
            "vllm:generation_tokens_total{",
            "vllm:time_to_first_token_seconds_bucket{",
            "vllm:time_to_first_token_seconds_count{",
            "vllm:e2e_request_latency_seconds_sum{",
            "vllm:request_success_total{",
            "nightshift_kv_blocks{",
            "nightshift_memory_bytes{",
            "nightshift_requests_refused_total{",
            "nightshift_engine_steps_total{",
            "http_server_requests_seconds_count{"
        }) {
            assertThat(metrics).contains("\n" + name);
        }
        assertThat(metrics).contains("model_name=\"nightshift-tiny\"");
        double generated = Double.parseDouble(metrics.lines()
                .filter(line -> line.startsWith("vllm:generation_tokens_total{"))
                .findFirst()
                .orElseThrow()
                .replaceAll(".*} ", ""));
        assertThat(generated).isPositive();
    }

    @Test
    void theOpenApiDocumentListsTheRoutes() {
        for (String path : new String[] {"/openapi", "/q/openapi"}) {
            String document = given().accept("application/json")
                    .get(path)
                    .then()
                    .statusCode(200)
                    .extract()
                    .asString();
            assertThat(document)
                    .contains("/v1/chat/completions")
                    .contains("/v1/completions")
                    .contains("/v1/models")
                    .contains("/tokenize")
                    .contains("ChatCompletionRequest");
        }
    }
}
