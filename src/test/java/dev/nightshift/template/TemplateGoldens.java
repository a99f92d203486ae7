package dev.nightshift.template;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** The templates of public models with their cases and what transformers made of them. */
final class TemplateGoldens {
    static final Path FOLDER = Path.of("../shared/golden/templates");
    /** The moment that the goldens' strftime_now saw. */
    static final Clock CLOCK = Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);

    private static final ObjectMapper JSON = new ObjectMapper();

    /** One model's template with its goldens. */
    record Golden(String name, String source, Map<String, String> variables, Map<String, Object> renders) {
        ChatTemplate compile() {
            return ChatTemplate.compile(source, variables).withClock(CLOCK);
        }
    }

    private TemplateGoldens() {}

    static void assumePresent() {
        Assumptions.assumeTrue(
                Files.exists(FOLDER.resolve("cases.json")),
                FOLDER + " is missing: other people's templates are not copied");
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> json(Path path) {
        try {
            return JSON.readValue(Files.readString(path), Map.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Case name to messages, tools, documents, kwargs, continue_final_message. */
    static Map<String, Object> cases() {
        return json(FOLDER.resolve("cases.json"));
    }

    static List<Golden> all() {
        List<Golden> goldens = new ArrayList<>();
        try (Stream<Path> files = Files.list(FOLDER)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".jinja"))
                    .sorted()
                    .toList()) {
                String name = file.getFileName().toString().replaceFirst("\\.jinja$", "");
                Map<String, Object> golden = json(FOLDER.resolve(name + ".json"));
                goldens.add(new Golden(
                        name, Files.readString(file), map(golden.get("variables")), map(golden.get("renders"))));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return goldens;
    }

    @SuppressWarnings("unchecked")
    static <V> Map<String, V> map(Object value) {
        return value == null ? Map.of() : (Map<String, V>) value;
    }

    @SuppressWarnings("unchecked")
    static ChatPrompt prompt(Map<String, Object> example, boolean addGenerationPrompt) {
        return new ChatPrompt(
                (List<Map<String, Object>>) example.get("messages"),
                (List<Object>) example.get("tools"),
                (List<Object>) example.get("documents"),
                addGenerationPrompt,
                Boolean.TRUE.equals(example.get("continue_final_message")),
                map(example.get("kwargs")));
    }
}
