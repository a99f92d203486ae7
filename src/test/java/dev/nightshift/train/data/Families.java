package dev.nightshift.train.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.ChatTemplate;
import dev.nightshift.template.NamedTemplates;
import dev.nightshift.template.RenderedPrompt;
import dev.nightshift.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;

/** Templates of public models with tokenizers of their families. */
final class Families {
    private static final Path GOLDEN = Path.of("../shared/golden");
    private static final ObjectMapper JSON = new ObjectMapper();

    private Families() {}

    static Conversations of(String template, String tokenizer, String end) {
        Path source = GOLDEN.resolve("templates").resolve(template + ".jinja");
        Path tokens = GOLDEN.resolve("tokenizers").resolve(tokenizer);
        Assumptions.assumeTrue(Files.exists(source) && Files.exists(tokens), source + " or " + tokens + " is not here");
        try {
            JsonNode golden = JSON.readTree(
                    GOLDEN.resolve("templates").resolve(template + ".json").toFile());
            Map<String, String> variables = new HashMap<>();
            golden.path("variables")
                    .properties()
                    .forEach(
                            each -> variables.put(each.getKey(), each.getValue().asText()));
            return of(ChatTemplate.compile(Files.readString(source), variables), Tokenizer.load(tokens), end);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Conversations named(String template, String tokenizer, String end) {
        Path tokens = GOLDEN.resolve("tokenizers").resolve(tokenizer);
        Assumptions.assumeTrue(Files.exists(tokens), tokens + " is not here");
        String source = NamedTemplates.named(template).source();
        return of(ChatTemplate.compile(source, Map.of("eos_token", end)), Tokenizer.load(tokens), end);
    }

    private static Conversations of(ChatTemplate template, Tokenizer tokenizer, String end) {
        int id = tokenizer.idOf(end).orElseThrow();
        return new Conversations(template::render, tokenizer, Set.of(id), OptionalInt.of(id));
    }

    /** As a chat request is encoded. */
    static int[] serving(Conversations conversations, ChatPrompt prompt) {
        RenderedPrompt rendered = conversations.template().apply(prompt);
        int[] untrusted = rendered.untrusted().stream()
                .flatMapToInt(span -> java.util.stream.IntStream.of(span.from(), span.to()))
                .toArray();
        return conversations.tokenizer().encodeRendered(rendered.text(), untrusted);
    }
}
