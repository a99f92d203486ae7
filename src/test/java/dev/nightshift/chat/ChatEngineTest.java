package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.engine.EngineLimits;
import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.EngineModel;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.IdleWork;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.template.ChatTemplate;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Chat on the real engine with the embedded model: its template, its tokens, its text. */
@Timeout(120)
final class ChatEngineTest {
    private static final int BLOCK_TOKENS = 16;
    private static final Path MODEL = Path.of("../shared/models/nightshift-tiny");
    private static final Path GOLDEN = Path.of("../shared/golden/generation/nightshift-tiny");
    private static final ObjectMapper JSON = new ObjectMapper();

    private static Checkpoint checkpoint;
    private static TensorOps ops;
    private static EngineLoop loop;
    private static Chat chat;

    @BeforeAll
    static void open() {
        Assumptions.assumeTrue(Files.exists(MODEL) && Files.exists(GOLDEN), MODEL + " or " + GOLDEN + " is not here");
        checkpoint = Checkpoint.open(new ModelSource.Folder(MODEL), LoadOptions.defaults(), LoadProgress.SILENT);
        ops = new VectorOps(1L << 30, 2);
        EngineLimits all = EngineLimits.defaults();
        EngineLimits limits = new EngineLimits(
                16,
                16,
                checkpoint.config().maxPositions(),
                128,
                64,
                all.scoreRows(),
                all.topLogprobsMax(),
                all.biasMax(),
                16,
                all.eventsMax(),
                all.readerPatience(),
                true,
                all.idleSlice(),
                all.busySlice());
        Llama llama = new Llama(
                ops, Llama.prepare(ops, checkpoint.weights(), done -> {}), null, limits.batchLimits(BLOCK_TOKENS));
        KvCache kv = KvCache.allocate(ops, checkpoint.config(), BLOCK_TOKENS, 256);
        int[] ends = checkpoint.generation().eosIds().stream()
                .mapToInt(Integer::intValue)
                .toArray();
        loop = new EngineLoop(ops, new EngineModel(llama, kv, "tiny", ends), limits, IdleWork.NONE, () -> {}).start();
        ChatTemplate template = ChatTemplate.compile(
                checkpoint.tokenizer().templates().choose(false).orElseThrow(), Map.of());
        ChatModel model = new ChatModel(
                Tokenizer.load(checkpoint.tokenizer().json()),
                template::render,
                Optional.of(template.source()),
                checkpoint.config().vocabSize(),
                loop.contextMax(),
                checkpoint.tokenizer().bos(),
                checkpoint.tokenizer().eos(),
                checkpoint.tokenizer().pad(),
                SamplingParameters.greedy(),
                List.of(),
                "digest");
        chat = new Chat(model, new SingleModelCatalog("tiny"), new EngineTokens(loop), 64);
    }

    @AfterAll
    static void close() {
        if (loop != null) {
            loop.close();
            ops.close();
            checkpoint.close();
        }
    }

    /** One of the golden prompts with the golden's text. */
    private record Example(
            String name, ChatRequest.Messages prompt, int[] ids, String text, String finish, int tokens) {}

    private static List<Example> examples(int count) throws Exception {
        JsonNode greedy = JSON.readTree(GOLDEN.resolve("greedy.json").toFile());
        List<Example> examples = new ArrayList<>();
        for (JsonNode prompt : JSON.readTree(GOLDEN.resolve("prompts.json").toFile())) {
            if (examples.size() == count) {
                break;
            }
            List<Map<String, Object>> messages = new ArrayList<>();
            for (JsonNode message : prompt.path("messages")) {
                messages.add(Fixture.message(
                        message.path("role").asText(), message.path("content").asText()));
            }
            JsonNode answer = golden(greedy, prompt.path("name").asText());
            int[] ids = new int[prompt.path("ids").size()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = prompt.path("ids").get(i).intValue();
            }
            examples.add(new Example(
                    prompt.path("name").asText(),
                    new ChatRequest.Messages(Fixture.prompt(messages)),
                    ids,
                    answer.path("text").asText(),
                    answer.path("finish").asText(),
                    answer.path("ids").size()));
        }
        return examples;
    }

    private static JsonNode golden(JsonNode greedy, String name) {
        if (greedy.isObject()) {
            return greedy.path(name);
        }
        for (JsonNode each : greedy) {
            if (each.path("name").asText().equals(name)) {
                return each;
            }
        }
        throw new AssertionError("no golden answer for " + name);
    }

    private static ChatRequest greedy(ChatRequest.Prompt prompt, int tokens, List<String> stops) {
        return Fixture.withMax(Fixture.request(prompt, SamplingParameters.greedy(), 1, stops), Optional.of(tokens), -1);
    }

    private static String streamed(ChatRequest request) throws InterruptedException {
        Semaphore signals = new Semaphore(0);
        ChatStream stream = chat.complete(request, signals::release);
        StringBuilder text = new StringBuilder();
        while (true) {
            ChatEvent event = stream.poll();
            switch (event) {
                case null -> signals.acquire();
                case ChatEvent.Text more -> text.append(more.text());
                case ChatEvent.Completed completed -> {
                    return text.toString();
                }
                case ChatEvent.Failed failed -> throw failed.failure();
                default -> {}
            }
        }
    }

    @Test
    void promptsAndAnswersAreTheGoldensStreamedAndWholeAllAtOnce() throws Exception {
        List<Example> examples = examples(6);
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            Map<Example, CompletableFuture<ChatResult>> results = new HashMap<>();
            for (Example example : examples) {
                assertThat(chat.encode(example.prompt())).as(example.name()).isEqualTo(example.ids());
                results.put(example, ChatResult.of(chat, greedy(example.prompt(), 48, List.of()), executor));
            }
            for (Example example : examples) {
                ChatResult result = results.get(example).get(60, TimeUnit.SECONDS);
                ChatResult.Choice choice = result.choices().getFirst();
                assertThat(choice.text()).as(example.name()).isEqualTo(example.text());
                assertThat(choice.reason())
                        .isEqualTo(example.finish().equals("stop") ? FinishReason.STOP : FinishReason.LENGTH);
                assertThat(result.completionTokens()).isEqualTo(example.tokens());
                assertThat(result.promptTokens()).isEqualTo(example.ids().length);
                assertThat(streamed(greedy(example.prompt(), 48, List.of()))).isEqualTo(example.text());
            }
        }
    }

    @Test
    void aStopStringCutsTheGoldenTextAndFreesTheEngine() throws Exception {
        Example example = examples(1).getFirst();
        String stop = example.text()
                .substring(example.text().length() / 2, example.text().length() / 2 + 5);
        String want = example.text().substring(0, example.text().indexOf(stop));
        assertThat(streamed(greedy(example.prompt(), 400, List.of(stop)))).isEqualTo(want);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (loop.statistics().busy()) {
            assertThat(System.nanoTime()).as("the sequence has ended").isLessThan(end);
            Thread.sleep(1);
        }
    }

    @Test
    void choicesOfASeededRequestAreTheSameAgainAndDifferFromEachOther() throws Exception {
        ChatRequest request = Fixture.withMax(
                Fixture.request(
                        examples(1).getFirst().prompt(),
                        new SamplingParameters(2, 0, 1, 0, 1, 0, 0, 42, Map.of(), List.of(), 0, false, 2),
                        3,
                        List.of()),
                Optional.of(20),
                -1);
        List<ChatResult> twice = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            twice.add(ChatResult.of(chat, request, Runnable::run).get(60, TimeUnit.SECONDS));
        }
        List<String> texts =
                twice.getFirst().choices().stream().map(ChatResult.Choice::text).toList();
        assertThat(twice.get(1).choices().stream().map(ChatResult.Choice::text)).isEqualTo(texts);
        assertThat(texts).doesNotHaveDuplicates();
        for (ChatResult.Choice choice : twice.getFirst().choices()) {
            assertThat(choice.logprobs())
                    .hasSize(choice.completionTokens())
                    .allSatisfy(token -> assertThat(token.top()).hasSize(2));
        }
    }
}
