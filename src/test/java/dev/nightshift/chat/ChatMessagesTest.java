package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.ChatTemplate;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class ChatMessagesTest {
    private final ChatMessages strings = new ChatMessages(role -> false);

    private Map<String, Object> one(Map<String, Object> message) {
        return strings.normalise(Fixture.prompt(List.of(message))).messages().getFirst();
    }

    private static Map<String, Object> fields(Object... keysAndValues) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            fields.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return fields;
    }

    private static Map<String, Object> call(Object arguments) {
        return fields(
                "role",
                "assistant",
                "content",
                null,
                "tool_calls",
                List.of(fields(
                        "id", "call_1", "type", "function", "function", fields("name", "f", "arguments", arguments))));
    }

    private void refused(Map<String, Object> message, String param, String words) {
        assertThatThrownBy(() -> strings.normalise(Fixture.prompt(List.of(Fixture.message("user", "x"), message))))
                .isInstanceOfSatisfying(ServingException.class, failure -> {
                    assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
                    assertThat(failure.param()).contains(param);
                    assertThat(failure).hasMessageContaining(words);
                });
    }

    @Test
    void absentOrNullContentIsAnEmptyString() {
        assertThat(one(Fixture.message("assistant", null))).containsEntry("content", "");
        assertThat(one(fields("role", "assistant"))).containsEntry("content", "");
    }

    @Test
    void textPartsAreJoinedByNewlinesOrKeptWhereTheTemplateTakesThem() {
        List<Object> parts =
                List.of(fields("type", "text", "text", "a"), "b", fields("type", "input_text", "text", "c"));
        assertThat(one(Fixture.message("user", parts))).containsEntry("content", "a\nb\nc");
        assertThat(one(Fixture.message("user", List.of()))).containsEntry("content", "");
        Map<String, Object> kept = new ChatMessages(role -> true)
                .normalise(Fixture.prompt(List.of(Fixture.message("user", parts))))
                .messages()
                .getFirst();
        assertThat(kept.get("content"))
                .isEqualTo(List.of(
                        fields("type", "text", "text", "a"),
                        fields("type", "text", "text", "b"),
                        fields("type", "text", "text", "c")));
    }

    @Test
    void whetherTheTemplateTakesPartsOfARoleIsSeenFromWhatItWrites() {
        ChatTemplate template = ChatTemplate.compile("""
                {% for m in messages %}{{ m.role }}:
                {%- if m.role == 'user' and m.content is not string -%}
                {% for part in m.content %}[{{ part.text }}]{% endfor %}
                {%- elif m.role == 'user' %}[{{ m.content }}]{% else %}{{ m.content }}{% endif %}
                {% endfor %}""", Map.of());
        ChatModel model = new ChatModel(
                Fixture.tiny(),
                template::render,
                Optional.of(template.source()),
                4096,
                1024,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                SamplingParameters.greedy(),
                List.of(),
                "digest");
        Chat chat = new Chat(model, new SingleModelCatalog("m"), new ScriptedTokens(0, List.of()), 8);
        List<Object> parts = List.of(fields("type", "text", "text", "a"), fields("type", "text", "text", "b"));
        ChatPrompt prompt = Fixture.prompt(List.of(
                Fixture.message("system", parts), Fixture.message("user", parts), Fixture.message("assistant", parts)));
        assertThat(chat.render(prompt).text()).isEqualTo("system:a\nbuser:[a][b]assistant:a\nb");
    }

    @Test
    void developerIsTheSystemRoleAndOrderIsKept() {
        assertThat(one(fields("content", "x", "role", "developer", "name", "n")))
                .isEqualTo(fields("content", "x", "role", "system", "name", "n"))
                .extracting(map -> String.join(",", map.keySet()))
                .isEqualTo("content,role,name");
    }

    @Test
    void argumentsReachTheTemplateAsAnObject() {
        for (Object arguments :
                Arrays.asList("{\"b\":1,\"a\":[2.5,null]}", fields("b", 1, "a", Arrays.asList(2.5, null)))) {
            Object calls = one(call(arguments)).get("tool_calls");
            assertThat(calls)
                    .isEqualTo(List.of(fields(
                            "id",
                            "call_1",
                            "type",
                            "function",
                            "function",
                            fields("name", "f", "arguments", fields("b", 1, "a", Arrays.asList(2.5, null))))));
        }
        for (Object none : Arrays.asList("", " ", null, new HashMap<>())) {
            assertThat(one(call(none)).get("tool_calls").toString()).contains("arguments={}");
        }
    }

    @Test
    void argumentsThatAreNoJsonObjectAreRefusedNamingThePlace() {
        String place = "messages[1].tool_calls[0].function.arguments";
        for (Object wrong : List.of("{", "[1]", "null", "{} {}", 7)) {
            refused(call(wrong), place, place);
        }
    }

    @Test
    void rolesAndTheirNeedsAreChecked() {
        refused(Fixture.message("bot", "x"), "messages[1].role", "'bot'");
        refused(Fixture.message(null, "x"), "messages[1].role", "missing");
        refused(fields("role", 7), "messages[1].role", "'7'");
        refused(Fixture.message("tool", "x"), "messages[1].tool_call_id", "needs it");
        refused(Fixture.message("user", 7), "messages[1].content", "string");
        refused(
                Fixture.message("user", List.of(fields("type", "image_url"))),
                "messages[1].content[0].type",
                "image_url");
        refused(fields("role", "assistant", "tool_calls", 3), "messages[1].tool_calls", "list");
        refused(
                fields("role", "assistant", "tool_calls", List.of(fields("function", fields("arguments", "{}")))),
                "messages[1].tool_calls[0].function.name",
                "string");
        assertThat(one(fields("role", "tool", "tool_call_id", "c", "content", "x")))
                .containsEntry("tool_call_id", "c");
    }

    @Test
    void keysThatTemplatesMustNotSeeAreLeftOut() {
        Map<String, Object> message = one(fields(
                "role",
                "assistant",
                "content",
                "x",
                "refusal",
                null,
                "weight",
                0,
                "audio",
                fields("id", "a"),
                "tool_calls",
                List.of(),
                "reasoning",
                "because",
                "name",
                null));
        assertThat(message).isEqualTo(fields("role", "assistant", "content", "x", "reasoning_content", "because"));
    }

    @Test
    void emptyToolsAndDocumentsAreAbsentAndAnEmptyChatIsRefused() {
        ChatPrompt prompt = strings.normalise(
                new ChatPrompt(List.of(Fixture.message("user", "x")), List.of(), List.of(), true, false, Map.of()));
        assertThat(prompt.tools()).isNull();
        assertThat(prompt.documents()).isNull();
        assertThatThrownBy(() -> strings.normalise(Fixture.prompt(List.of())))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("at least one message");
        assertThatThrownBy(() -> strings.normalise(
                        new ChatPrompt(List.of(Fixture.message("user", "x")), null, null, true, true, Map.of())))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("add_generation_prompt");
    }

    @Test
    void normalisingTwiceChangesNothing() {
        ChatPrompt once = strings.normalise(Fixture.prompt(List.of(
                Fixture.message("developer", List.of("a", "b")),
                call("{\"x\":1}"),
                fields("role", "tool", "tool_call_id", "c"))));
        assertThat(strings.normalise(once)).isEqualTo(once);
    }
}
