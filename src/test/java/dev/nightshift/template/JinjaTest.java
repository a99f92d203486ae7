package dev.nightshift.template;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Jinja and Python, construct by construct, against what jinja2 made of our own templates (src/test/golden/templates). */
class JinjaTest {
    private static final Path CONSTRUCTS = Path.of("src/test/golden/templates/constructs.json");

    @TestFactory
    @SuppressWarnings("unchecked")
    Stream<DynamicTest> doesAsJinjaDoes() {
        Map<String, Object> golden = TemplateGoldens.json(CONSTRUCTS);
        Map<String, Object> context = TemplateGoldens.map(golden.get("context"));
        List<Map<String, String>> cases = (List<Map<String, String>>) golden.get("cases");
        return cases.stream()
                .map(example -> DynamicTest.dynamicTest(
                        example.get("name") + " " + example.get("template").replace("\n", "\\n"),
                        () -> check(example, context)));
    }

    private static void check(Map<String, String> example, Map<String, Object> context) {
        String text = example.get("text");
        String outcome;
        try {
            outcome = render(example.get("template"), context).text();
        } catch (ServingException refused) {
            assertThat(refused.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
            if (text == null) {
                if (example.get("kind").equals("raised")) {
                    assertThat(refused).hasMessage(example.get("error"));
                } else {
                    assertThat(refused.getMessage()).startsWith("chat template: line ");
                }
                return;
            }
            throw refused;
        }
        assertThat(outcome)
                .as(text == null ? "expected the error " + example.get("error") : "text")
                .isEqualTo(text);
    }

    @SuppressWarnings("unchecked")
    private static RenderedPrompt render(String template, Map<String, Object> context) {
        Map<String, Object> arguments = new java.util.LinkedHashMap<>(context);
        List<Map<String, Object>> messages = (List<Map<String, Object>>) arguments.remove("messages");
        return ChatTemplate.compile(template, Map.of())
                .render(new ChatPrompt(messages, null, null, false, false, arguments));
    }

    @Test
    void namesTheLineOfAMistake() {
        for (String template : List.of("a\nb\n{{ 1 + }}", "a\n\n{% if %}", "a\n{# b\n #}{% nope %}")) {
            org.assertj.core.api.Assertions.assertThatThrownBy(() -> render(template, Map.of("messages", List.of())))
                    .isInstanceOf(ServingException.class)
                    .hasMessageStartingWith("chat template: line 3: ");
        }
        org.assertj.core.api.Assertions.assertThatThrownBy(() -> render(
                        "a\n{% macro m(x) %}\n{{ x.y.z }}{% endmacro %}\n{{ m({}) }}",
                        Map.of("messages", List.of(Map.of("role", "user", "content", "x")))))
                .isInstanceOf(ServingException.class)
                .hasMessage("chat template: line 3: 'dict object' has no attribute 'y'");
    }
}
