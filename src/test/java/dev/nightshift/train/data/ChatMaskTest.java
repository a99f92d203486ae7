package dev.nightshift.train.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.template.ChatPrompt;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Token by token: what follows a prompt that serving would have sent bears loss to its end token, and nothing else does. */
class ChatMaskTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TWO_TURNS = """
            [{"role":"user","content":"Wie hei\u00DFt du? \uD83D\uDE00"},
             {"role":"assistant","content":"I am caf\u00E9 \u4F60\u597D.\\n\\nSecond line <|im_end|> <|eot_id|> </s>"},
             {"role":"user","content":"And  then?\\n"},
             {"role":"assistant","content":"Nothing."}]
            """;

    private static Example.Dialogue dialogue(String messages) throws Exception {
        return MessageRows.dialogue(JSON.readTree(messages), null, "messages");
    }

    private static int[] promptIds(Conversations conversations, Example.Dialogue dialogue, int messages) {
        return Families.serving(
                conversations,
                new ChatPrompt(
                        dialogue.messages().subList(0, messages), dialogue.tools(), null, true, false, Map.of()));
    }

    /** Expected weights by serving's own ids. */
    private static float[] expected(Conversations conversations, Example.Dialogue dialogue, int[] ids) {
        float[] weights = new float[ids.length];
        for (int i = 0; i < dialogue.messages().size(); i++) {
            if (!dialogue.messages().get(i).get("role").equals("assistant") || dialogue.weights()[i] == 0) {
                continue;
            }
            int[] prompt = promptIds(conversations, dialogue, i);
            assertThat(Arrays.copyOf(ids, prompt.length)).isEqualTo(prompt);
            int at = prompt.length;
            while (!conversations.ends().contains(ids[at])) {
                weights[at++] = 1;
            }
            weights[at] = 1;
        }
        return weights;
    }

    @ParameterizedTest
    @CsvSource({
        "Qwen-Qwen2.5-7B-Instruct, qwen2-bpe, <|im_end|>",
        "meta-llama-Llama-3.2-3B-Instruct, llama3-bpe, <|eot_id|>",
        "meta-llama-Llama-3.1-8B-Instruct, llama3-bpe, <|eot_id|>",
        "mistralai-Mistral-Nemo-Instruct-2407, mistral-metaspace-bpe, </s>",
        "mistralai-Mistral-Nemo-Instruct-2407, llama2-bpe, </s>"
    })
    void exactlyTheAssistantsTokensAndItsEndBearLoss(String template, String tokenizer, String end) throws Exception {
        Conversations conversations = Families.of(template, tokenizer, end);
        Example.Dialogue dialogue = dialogue(TWO_TURNS);
        Masked masked = new ChatMask(conversations).of(dialogue, false);
        assertThat(masked.ids())
                .isEqualTo(Families.serving(
                        conversations, new ChatPrompt(dialogue.messages(), null, null, false, false, Map.of())));
        assertThat(masked.lastTurnOnly()).isFalse();
        assertThat(masked.weights()).isEqualTo(expected(conversations, dialogue, masked.ids()));
        assertThat(masked.weights()).contains(0f, 1f);
    }

    @Test
    void aTemplateThatMarksTheAnswersIsBelieved() throws Exception {
        Conversations conversations = Families.named("chatml", "qwen2-bpe", "<|im_end|>");
        Example.Dialogue dialogue = dialogue(TWO_TURNS);
        Masked masked = new ChatMask(conversations).of(dialogue, false);
        assertThat(masked.weights()).isEqualTo(expected(conversations, dialogue, masked.ids()));
    }

    @Test
    void aMessageOfWeightZeroBearsNoLoss() throws Exception {
        Conversations conversations = Families.of("Qwen-Qwen2.5-7B-Instruct", "qwen2-bpe", "<|im_end|>");
        Example.Dialogue all = dialogue(TWO_TURNS);
        Example.Dialogue silenced = dialogue(TWO_TURNS.replace("</s>\"", "</s>\",\"weight\":0"));
        Masked masked = new ChatMask(conversations).of(silenced, false);
        assertThat(masked.ids())
                .isEqualTo(new ChatMask(conversations).of(all, false).ids());
        assertThat(masked.weights()).isEqualTo(expected(conversations, silenced, masked.ids()));
        Masked inputs = new ChatMask(conversations).of(all, true);
        assertThat(inputs.weights()).containsOnly(1f);
    }

    @Test
    void callsOfToolsAreLearntAndTheirResultsAreNot() throws Exception {
        Conversations conversations = Families.of("Qwen-Qwen2.5-7B-Instruct", "qwen2-bpe", "<|im_end|>");
        String messages = """
                [{"role":"user","content":"Weather?"},
                 {"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function",
                  "function":{"name":"weather","arguments":{"city":"Rome"}}}]},
                 {"role":"tool","tool_call_id":"1","content":"sunny"},
                 {"role":"assistant","content":"It is sunny."}]
                """;
        Example.Dialogue dialogue = MessageRows.dialogue(
                JSON.readTree(messages),
                JSON.readTree("[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{}}}]"),
                "messages");
        Masked masked = new ChatMask(conversations).of(dialogue, false);
        assertThat(masked.weights()).isEqualTo(expected(conversations, dialogue, masked.ids()));
        List<Integer> learnt = new ArrayList<>();
        for (int i = 0; i < masked.ids().length; i++) {
            if (masked.weights()[i] > 0) {
                learnt.add(masked.ids()[i]);
            }
        }
        String text = conversations
                .tokenizer()
                .decode(learnt.stream().mapToInt(Integer::intValue).toArray(), false);
        assertThat(text)
                .contains("Rome", "It is sunny.")
                .doesNotContain("sunny<")
                .doesNotContain("Weather?");
    }

    @Test
    void whereATemplateRewritesEarlierTurnsOnlyTheLastIsLearnt() throws Exception {
        Conversations conversations = Families.of("Qwen-Qwen3-0.6B", "qwen2-bpe", "<|im_end|>");
        String thoughts = TWO_TURNS
                .replace("\"content\":\"I am", "\"reasoning_content\":\"hm\",\"content\":\"I am")
                .replace("\"content\":\"Nothing", "\"reasoning_content\":\"well\",\"content\":\"Nothing");
        Example.Dialogue dialogue = dialogue(thoughts);
        Masked masked = new ChatMask(conversations).of(dialogue, false);
        assertThat(masked.lastTurnOnly()).isTrue();
        Example.Dialogue last = new Example.Dialogue(dialogue.messages(), null, new float[] {0, 0, 0, 1});
        assertThat(masked.weights()).isEqualTo(expected(conversations, last, masked.ids()));
    }
}
