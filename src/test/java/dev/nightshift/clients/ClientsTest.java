package dev.nightshift.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The clients that people have, as their registries ship them, against the packaged server with the embedded model. */
@Tag("slow")
@Tag("clients")
class ClientsTest {
    private static final Path CLIENTS = Path.of("src/test/clients").toAbsolutePath();
    private static final Path FETCHED = Path.of("target/clients").toAbsolutePath();
    private static final Path MMLU = Path.of("../shared/datasets/mmlu-zero-shot-val.jsonl");
    private static final int MMLU_ROWS = 6;
    private static final int LEFT_OUT = 3;

    private static PackagedServer server;

    /** What a command printed, and how it ended. */
    private record Ran(int exit, String output) {}

    @BeforeAll
    static void start() throws Exception {
        assumeTrue(PackagedServer.isBuilt(), PackagedServer.JAR + " is missing: run `make package` first");
        server = PackagedServer.start(Map.of());
        System.out.println("Server ready after " + server.startTime().toMillis() + " ms");
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            server.close();
        }
    }

    @Test
    void theOpenaiClientForPython() throws Exception {
        Path folder = fetched("python");
        succeed(run(
                Map.of(),
                folder.resolve("bin/python").toString(),
                CLIENTS.resolve("openai_client.py").toString(),
                server.url().toString()));
    }

    @Test
    void theOpenaiClientForNode() throws Exception {
        Path folder = fetched("node");
        succeed(run(
                Map.of(),
                "node",
                CLIENTS.resolve("openai_client.mjs").toString(),
                server.url().toString(),
                folder.toString()));
    }

    @Test
    void lmEvaluationHarnessRunsToItsEnd() throws Exception {
        assumeTrue(Files.exists(MMLU), MMLU + " is missing");
        Path folder = fetched("lm_eval");
        Path rows = FETCHED.resolve("mmlu-rows.jsonl");
        try (Stream<String> lines = Files.lines(MMLU)) {
            Files.write(rows, lines.limit(MMLU_ROWS).toList());
        }
        Path work = FETCHED.resolve("lm-eval-run");
        Ran ran = run(
                Map.of("PATH", folder.resolve("bin") + File.pathSeparator + System.getenv("PATH")),
                CLIENTS.resolve("lm_eval/run").toString(),
                server.url().toString(),
                model(),
                rows.toString(),
                work.toString());
        succeed(ran);
        assertThat(ran.output()).contains("|nightshift_mmlu_rows", "|nightshift_mmlu_written");
    }

    @Test
    void langChain4jCompletesAndStreams() throws Exception {
        OpenAiChatModel model = OpenAiChatModel.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("unused")
                .modelName(model())
                .temperature(0.0)
                .maxTokens(32)
                .maxRetries(0)
                .build();
        UserMessage question = UserMessage.from("What is the capital of France?");
        ChatResponse whole = model.chat(question);
        assertThat(whole.aiMessage().text()).isNotBlank();
        assertThat(whole.tokenUsage().outputTokenCount()).isPositive();

        StringBuilder streamed = new StringBuilder();
        CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        OpenAiStreamingChatModel.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("unused")
                .modelName(model())
                .temperature(0.0)
                .maxTokens(32)
                .build()
                .chat(List.of(question), new StreamingChatResponseHandler() {
                    @Override
                    public void onPartialResponse(String part) {
                        streamed.append(part);
                    }

                    @Override
                    public void onCompleteResponse(ChatResponse response) {
                        done.complete(response);
                    }

                    @Override
                    public void onError(Throwable error) {
                        done.completeExceptionally(error);
                    }
                });
        ChatResponse end = done.get(60, TimeUnit.SECONDS);
        assertThat(streamed.toString()).isEqualTo(whole.aiMessage().text());
        assertThat(end.finishReason()).isEqualTo(whole.finishReason());
        System.out.println("LangChain4j: " + streamed);
    }

    @Test
    void langChain4jNamesAnUnknownModel() {
        OpenAiChatModel model = OpenAiChatModel.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("unused")
                .modelName("no-such-model")
                .maxRetries(0)
                .build();
        Assertions.assertThatThrownBy(() -> model.chat("Hello"))
                .isInstanceOf(ModelNotFoundException.class)
                .hasMessageContaining("no-such-model");
    }

    @Test
    void grpcurlFindsTheServicesAndStreams() throws Exception {
        String grpcurl = fetched("grpcurl").resolve("grpcurl").toString();
        String address = server.url().getAuthority();
        Ran services = run(Map.of(), grpcurl, "-plaintext", address, "list");
        succeed(services);
        assertThat(services.output())
                .contains("nightshift.v1.ChatService", "nightshift.v1.ModelService", "grpc.health.v1.Health");
        Ran health = run(
                Map.of(),
                grpcurl,
                "-plaintext",
                "-d",
                "{\"service\": \"nightshift.v1.ChatService\"}",
                address,
                "grpc.health.v1.Health/Check");
        succeed(health);
        assertThat(health.output()).contains("SERVING");
        Ran stream =
                run(Map.of(), grpcurl, "-plaintext", "-d", """
                {"prompt": {"chat": {"messages": [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]}},
                 "sampling": {"temperature": 0}, "max_tokens": 16}""", address, "nightshift.v1.ChatService/CompleteStream");
        succeed(stream);
        assertThat(stream.output()).contains("\"started\"", "\"delta\"", "\"choice_finished\"", "\"completed\"");
    }

    private static String model() throws IOException {
        JsonNode models =
                new ObjectMapper().readTree(server.url().resolve("/v1/models").toURL());
        return models.path("data").path(0).path("id").asText();
    }

    /** The folder with a client, or a skipped test that says why there is none. */
    private static Path fetched(String client) throws IOException, InterruptedException {
        Path folder = FETCHED.resolve(client);
        Files.createDirectories(folder);
        Ran setup = run(Map.of(), CLIENTS.resolve("setup").toString(), client, folder.toString());
        assumeTrue(setup.exit() != LEFT_OUT, setup.output());
        succeed(setup);
        return folder;
    }

    private static void succeed(Ran ran) {
        assertThat(ran.exit()).as(ran.output()).isZero();
    }

    private static Ran run(Map<String, String> environment, String... command)
            throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes());
        System.out.println(output);
        return new Ran(process.waitFor(), output);
    }
}
