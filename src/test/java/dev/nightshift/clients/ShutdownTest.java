package dev.nightshift.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What SIGTERM does to the packaged server. */
@Tag("slow")
class ShutdownTest {
    private static final int TOKENS = 400;

    @Test
    void aRunningRequestFinishesWhileHealthSaysNotReadyThenTheServerExitsWithZero() throws Exception {
        assumeTrue(PackagedServer.isBuilt(), PackagedServer.JAR + " is missing: run `make package` first");
        try (PackagedServer server = PackagedServer.start(Map.of());
                HttpClient client = HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .build()) {
            HttpResponse<java.io.InputStream> stream =
                    client.send(streamed(server.url()), HttpResponse.BodyHandlers.ofInputStream());
            assertThat(stream.statusCode()).isEqualTo(200);
            BufferedReader lines = new BufferedReader(new InputStreamReader(stream.body()));
            int pieces = 0;
            int readyDuringDrain = 0;
            String last = "";
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("data: ")) {
                    last = line;
                    pieces++;
                    if (pieces == 3) {
                        server.terminate();
                    }
                    if (pieces > 3 && readyDuringDrain == 0) {
                        readyDuringDrain = notReady(server);
                    }
                }
            }
            assertThat(readyDuringDrain)
                    .as("status of /health/ready after SIGTERM")
                    .isEqualTo(503);
            assertThat(last).as("the running stream's last line").isEqualTo("data: [DONE]");
            assertThat(server.awaitExit(Duration.ofSeconds(35)))
                    .as(server.logText())
                    .isZero();
        }
    }

    /** 0 while the signal has not arrived yet. */
    private static int notReady(PackagedServer server) throws Exception {
        int status = server.status("/health/ready");
        return status == 200 ? 0 : status;
    }

    private static HttpRequest streamed(URI url) {
        String body = """
                {"model": "nightshift-tiny", "prompt": "Once upon a time", "max_tokens": %d, "ignore_eos": true, "stream": true}""".formatted(TOKENS);
        return HttpRequest.newBuilder(url.resolve("/v1/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }
}
