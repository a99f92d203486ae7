package dev.nightshift.template;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.template.TemplateGoldens.Golden;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

class TemplateTraitsTest {
    private static final String PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}";
    private static final String PARTS_OF_USERS = """
            {%- for m in messages %}
                {%- if m.role == 'user' and m.content is not string %}
                    {%- for part in m.content if part.type == 'text' %}{{ part.text }}{% endfor %}
                {%- else %}{{ m.content }}{% endif %}
            {%- endfor %}""";

    private static ChatTemplate compile(String source) {
        return ChatTemplate.compile(source, Map.of());
    }

    private static TreeSet<String> publicTemplates(Predicate<ChatTemplate> predicate) {
        TreeSet<String> names = new TreeSet<>();
        for (Golden golden : TemplateGoldens.all()) {
            if (predicate.test(golden.compile())) {
                names.add(golden.name());
            }
        }
        return names;
    }

    @Test
    void findsForEachRoleWhetherContentCanBeParts() {
        ChatTemplate plain = compile(PLAIN);
        assertThat(plain.acceptsContentParts()).isFalse();
        assertThat(plain.acceptsContentParts("assistant")).isFalse();
        ChatTemplate users = compile(PARTS_OF_USERS);
        assertThat(users.acceptsContentParts()).isTrue();
        assertThat(users.acceptsContentParts("system")).isFalse();
        assertThat(users.acceptsContentParts("assistant")).isFalse();
        assertThat(users.acceptsContentParts("tool")).isFalse();
        assertThat(compile(
                                "{% for m in messages %}{{ m.content if m.content is string else m.content[0].text }}{% endfor %}")
                        .acceptsContentParts())
                .as("the second part is lost")
                .isFalse();
        assertThat(compile("{{ raise_exception('never') }}").acceptsContentParts())
                .isFalse();
    }

    @Test
    void findsToolsAndTheThinkingSwitchByWhatTheyChange() {
        assertThat(compile(PLAIN).supportsTools()).isFalse();
        assertThat(compile("{% if tools %}tools!{% endif %}").supportsTools()).isFalse();
        assertThat(compile("{{ tools | tojson }}").supportsTools()).isTrue();
        assertThat(compile(PLAIN).supportsThinkingSwitch()).isFalse();
        assertThat(compile("{% if enable_thinking is defined %}{% endif %}").supportsThinkingSwitch())
                .isFalse();
        assertThat(compile("{% if thinking %}<think>{% endif %}").supportsThinkingSwitch())
                .isTrue();
    }

    @Test
    void agreesWithWhatPublicTemplatesMakeOfParts() {
        TemplateGoldens.assumePresent();
        int accepting = 0;
        for (Golden golden : TemplateGoldens.all()) {
            ChatTemplate template = golden.compile();
            boolean accepts = template.acceptsContentParts();
            Map<String, Object> renders = TemplateGoldens.map(golden.renders().get("text_parts"));
            String text = (String) TemplateGoldens.map(renders.get("false")).get("text");
            boolean whole = text != null
                    && List.of("First part.", "Second part.", "Only one part now.").stream()
                            .allMatch(text::contains)
                    && !text.contains("'First part.")
                    && !text.contains("\"First part.");
            assertThat(accepts).as(golden.name()).isEqualTo(whole);
            accepting += accepts ? 1 : 0;
        }
        assertThat(accepting).isEqualTo(22);
    }

    @Test
    void knowsPublicTemplatesThatOfferNoTools() {
        TemplateGoldens.assumePresent();
        assertThat(publicTemplates(template -> !template.supportsTools()))
                .containsExactly(
                        "HuggingFaceTB-SmolLM3-3B", // takes xml_tools and python_tools instead
                        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
                        "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
                        "deepseek-ai-DeepSeek-V3.1",
                        "fireworks-ai-llama-3-firefunction-v2", // takes functions instead
                        "google-gemma-2-2b-it",
                        "llama-cpp-deepseek-r1",
                        "llama-cpp-rwkv-world",
                        "microsoft-Phi-3.5-mini-instruct");
    }

    @Test
    void knowsPublicTemplatesWithAThinkingSwitch() {
        TemplateGoldens.assumePresent();
        assertThat(publicTemplates(ChatTemplate::supportsThinkingSwitch))
                .contains("Qwen-Qwen3-0.6B", "GLM-4.6", "deepseek-ai-DeepSeek-V3.1", "HuggingFaceTB-SmolLM3-3B")
                .doesNotContain("Qwen-Qwen2.5-7B-Instruct", "meta-llama-Llama-3.1-8B-Instruct", "google-gemma-2-2b-it");
    }
}
