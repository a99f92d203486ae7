package dev.nightshift.template;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.TemplateGoldens.Golden;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Templates of 62 public models over 37 cases, as transformers renders or refuses them. */
class GoldenTemplatesTest {
    private static final int TEMPLATES = 62;
    private static final int CASES = 37;

    @BeforeAll
    static void goldens() {
        TemplateGoldens.assumePresent();
    }

    @Test
    void rendersEveryCaseByteForByteOrRefusesIt() {
        Map<String, Object> cases = TemplateGoldens.cases();
        List<Golden> goldens = TemplateGoldens.all();
        assertThat(cases).hasSize(CASES);
        assertThat(goldens).hasSize(TEMPLATES);
        Map<String, List<String>> failures = new TreeMap<>();
        int compared = 0;
        for (Golden golden : goldens) {
            ChatTemplate template = golden.compile();
            for (Map.Entry<String, Object> example : cases.entrySet()) {
                Map<String, Object> expected =
                        TemplateGoldens.map(golden.renders().get(example.getKey()));
                for (String generation : expected.keySet()) {
                    ChatPrompt prompt =
                            TemplateGoldens.prompt(TemplateGoldens.map(example.getValue()), generation.equals("true"));
                    String difference = difference(template, prompt, TemplateGoldens.map(expected.get(generation)));
                    compared++;
                    if (difference != null) {
                        failures.computeIfAbsent(golden.name(), _ -> new ArrayList<>())
                                .add(example.getKey() + "/" + generation + ": " + difference);
                    }
                }
            }
        }
        StringBuilder report = new StringBuilder();
        failures.forEach((name, list) ->
                report.append("%n%s: %d differ, first %s".formatted(name, list.size(), list.getFirst())));
        assertThat(report.toString())
                .as("differences of " + compared + " renderings")
                .isEmpty();
        assertThat(compared).isEqualTo(TEMPLATES * (2 * CASES - 3));
    }

    /** What is not as the golden says, or null. */
    private static String difference(ChatTemplate template, ChatPrompt prompt, Map<String, String> expected) {
        String text = expected.get("text");
        try {
            String rendered = template.render(prompt).text();
            if (text == null) {
                return "rendered, expected the error " + expected.get("error");
            }
            return text.equals(rendered) ? null : at(text, rendered);
        } catch (ServingException refused) {
            if (text != null) {
                return "refused: " + refused.getMessage();
            }
            boolean raised = expected.get("kind").equals("raised");
            if (refused.code() != ErrorCode.INVALID_REQUEST
                    || raised && !refused.getMessage().equals(expected.get("error"))) {
                return "refused with " + refused.code() + " " + refused.getMessage() + ", expected "
                        + expected.get("error");
            }
            return raised || refused.getMessage().startsWith("chat template: line ")
                    ? null
                    : "no line: " + refused.getMessage();
        }
    }

    private static String at(String expected, String rendered) {
        int same = 0;
        while (same < Math.min(expected.length(), rendered.length())
                && expected.charAt(same) == rendered.charAt(same)) {
            same++;
        }
        return "at %d expected <%s> rendered <%s>".formatted(same, part(expected, same), part(rendered, same));
    }

    private static String part(String text, int at) {
        return text.substring(Math.max(0, at - 20), Math.min(text.length(), at + 40))
                .replace("\n", "\\n");
    }
}
