package dev.nightshift.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.template.NamedTemplates.NamedTemplate;
import dev.nightshift.template.RenderedPrompt.Span;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class NamedTemplatesTest {
    private static final List<Map<String, Object>> CHAT = List.of(
            Map.of("role", "user", "content", "Hi."),
            Map.of("role", "assistant", "content", "Hello."),
            Map.of("role", "user", "content", "Go on."));
    private static final List<Map<String, Object>> WITH_SYSTEM =
            List.of(Map.of("role", "system", "content", "Be brief."), Map.of("role", "user", "content", "Hi."));

    private static RenderedPrompt render(String name, List<Map<String, Object>> messages, boolean generation) {
        NamedTemplate template = NamedTemplates.named(name);
        return ChatTemplate.compile(template.source(), Map.of("bos_token", "<s>", "eos_token", "</s>"))
                .render(new ChatPrompt(messages, null, null, generation, false, Map.of()));
    }

    private static List<String> generated(RenderedPrompt prompt) {
        return prompt.generated().stream()
                .map((Span span) -> prompt.text().substring(span.from(), span.to()))
                .toList();
    }

    @Test
    void chatmlPutsEveryMessageBetweenItsMarks() {
        RenderedPrompt prompt = render("chatml", CHAT, true);
        assertThat(prompt.text())
                .isEqualTo("<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"
                        + "<|im_start|>user\nGo on.<|im_end|>\n<|im_start|>assistant\n");
        assertThat(generated(prompt)).containsExactly("Hello.<|im_end|>");
        assertThat(NamedTemplates.named("chatml").stops()).containsExactly("<|im_end|>");
    }

    @Test
    void guanacoWritesTurnsOnOneLine() {
        String introduction =
                "<s>A chat between a curious human and an artificial intelligence assistant. The assistant"
                        + " gives helpful, detailed, and polite answers to the user's questions. ";
        assertThat(render("guanaco", CHAT, true).text())
                .isEqualTo(introduction + "### Human: Hi.### Assistant: Hello.### Human: Go on.### Assistant: ");
        RenderedPrompt sample = render("guanaco", CHAT.subList(0, 2), false);
        assertThat(sample.text()).isEqualTo(introduction + "### Human: Hi.### Assistant: Hello.</s>");
        assertThat(generated(sample)).containsExactly("Hello.</s>");
        assertThat(render("guanaco", WITH_SYSTEM, true).text()).isEqualTo("<s>Be brief. ### Human: Hi.### Assistant: ");
        assertThat(NamedTemplates.named("guanaco").stops()).containsExactly("### Human:");
    }

    @Test
    void alpacaWritesInstructionsAndResponses() {
        RenderedPrompt prompt = render("alpaca", CHAT, true);
        assertThat(prompt.text())
                .isEqualTo("<s>Below is an instruction that describes a task. Write a response that appropriately"
                        + " completes the request.\n\n### Instruction:\nHi.\n\n### Response: Hello.</s>\n\n"
                        + "### Instruction:\nGo on.\n\n### Response: ");
        assertThat(generated(prompt)).containsExactly("Hello.</s>");
        assertThat(render("alpaca", WITH_SYSTEM, true).text())
                .isEqualTo("<s>Be brief.\n\n### Instruction:\nHi.\n\n### Response: ");
    }

    @Test
    void refusesRolesThatAFormHasNoPlaceFor() {
        List<Map<String, Object>> tool = List.of(Map.of("role", "tool", "content", "x"));
        for (String name : List.of("guanaco", "alpaca")) {
            assertThatThrownBy(() -> render(name, tool, true))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining("'" + name + "'")
                    .hasMessageContaining("'tool'");
        }
    }

    @Test
    void refusesOtherNamesWithTheListOfThoseThereAre() {
        assertThat(NamedTemplates.names()).containsExactly("chatml", "guanaco", "alpaca");
        assertThatThrownBy(() -> NamedTemplates.named("vicuna"))
                .isInstanceOf(ServingException.class)
                .hasMessage("no chat template is named 'vicuna'; there are chatml, guanaco, alpaca");
    }
}
