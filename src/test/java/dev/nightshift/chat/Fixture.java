package dev.nightshift.chat;

import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.RenderedPrompt;
import dev.nightshift.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/** The embedded model's tokenizer, a template written in Java, and requests. */
final class Fixture {
    private static Tokenizer tiny;

    private Fixture() {}

    static synchronized Tokenizer tiny() {
        if (tiny == null) {
            Path file = Path.of("../shared/models/nightshift-tiny/tokenizer.json");
            Assumptions.assumeTrue(Files.exists(file), file + " is not here");
            tiny = Tokenizer.load(file);
        }
        return tiny;
    }

    /** ChatML, remembering what came from the messages. */
    static RenderedPrompt chatml(ChatPrompt prompt) {
        StringBuilder text = new StringBuilder();
        List<RenderedPrompt.Span> untrusted = new ArrayList<>();
        for (Map<String, Object> message : prompt.messages()) {
            text.append("<|im_start|>").append(message.get("role")).append('\n');
            int from = text.length();
            text.append(message.get("content"));
            if (text.length() > from) {
                untrusted.add(new RenderedPrompt.Span(from, text.length()));
            }
            text.append("<|im_end|>\n");
        }
        if (prompt.addGenerationPrompt()) {
            text.append("<|im_start|>assistant\n");
        }
        return new RenderedPrompt(text.toString(), untrusted, List.of());
    }

    static ChatModel model(int contextMax) {
        return new ChatModel(
                tiny(),
                Fixture::chatml,
                Optional.of("(Java)"),
                tiny().vocabSize(),
                contextMax,
                Optional.of("<|endoftext|>"),
                Optional.of("<|im_end|>"),
                Optional.empty(),
                SamplingParameters.greedy(),
                List.of(),
                "digest");
    }

    static Chat chat(TokenSource engine) {
        return new Chat(model(1024), new SingleModelCatalog("tiny"), engine, 16);
    }

    static Map<String, Object> message(String role, Object content) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    static ChatPrompt prompt(List<Map<String, Object>> messages) {
        return new ChatPrompt(messages, null, null, true, false, Map.of());
    }

    static SamplingParameters sampling(int topLogprobs, int minTokens, List<Integer> stopIds) {
        return new SamplingParameters(1, 0, 1, 0, 1, 0, 0, 42, Map.of(), stopIds, minTokens, false, topLogprobs);
    }

    static ChatRequest request(ChatRequest.Prompt prompt, SamplingParameters sampling, int n, List<String> stops) {
        return new ChatRequest(
                "tiny", prompt, sampling, true, Optional.of(100), stops, false, true, n, -1, "", Optional.empty());
    }

    static ChatRequest request(List<String> stops) {
        return request(new ChatRequest.Text("hi", true), sampling(-1, 0, List.of()), 1, stops);
    }

    static ChatRequest includingStop(ChatRequest request) {
        return new ChatRequest(
                request.model(),
                request.prompt(),
                request.sampling(),
                request.seeded(),
                request.maxNewTokens(),
                request.stops(),
                true,
                request.skipSpecialTokens(),
                request.n(),
                request.promptTopLogprobs(),
                request.cacheSalt(),
                request.deadline());
    }

    static ChatRequest withMax(ChatRequest request, Optional<Integer> maxNewTokens, int promptTopLogprobs) {
        return new ChatRequest(
                request.model(),
                request.prompt(),
                request.sampling(),
                request.seeded(),
                maxNewTokens,
                request.stops(),
                request.includeStop(),
                request.skipSpecialTokens(),
                request.n(),
                promptTopLogprobs,
                request.cacheSalt(),
                request.deadline());
    }

    /** Every event until there is none. */
    static List<ChatEvent> drain(ChatStream stream) {
        List<ChatEvent> events = new ArrayList<>();
        for (ChatEvent event = stream.poll(); event != null; event = stream.poll()) {
            events.add(event);
        }
        return events;
    }

    static List<String> texts(List<ChatEvent> events) {
        return events.stream()
                .filter(ChatEvent.Text.class::isInstance)
                .map(event -> ((ChatEvent.Text) event).text())
                .toList();
    }

    static <T extends ChatEvent> T only(List<ChatEvent> events, Class<T> kind) {
        List<T> found = events.stream().filter(kind::isInstance).map(kind::cast).toList();
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " events of " + kind.getSimpleName() + " in " + events);
        }
        return found.getFirst();
    }
}
