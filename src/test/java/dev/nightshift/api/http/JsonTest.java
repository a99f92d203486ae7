package dev.nightshift.api.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {

    private static ServingException refusal(byte[] body) {
        ServingException refusal = catchThrowableOfType(ServingException.class, () -> Json.parseObject(body));
        assertThat(refusal).as("refused").isNotNull();
        assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
        return refusal;
    }

    private static ServingException refusal(String body) {
        return refusal(body.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "{",
                "[1,2]",
                "7",
                "\"x\"",
                "null",
                "{\"a\":NaN}",
                "{\"a\":Infinity}",
                "{\"a\":-Infinity}",
                "{\"a\":1}{\"b\":2}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":1,}",
                "{\"a\":01}",
                "{\"a\":+1}",
                "{\"a\":\"tab\there\"}",
                "// x\n{}"
            })
    void refusesWhatIsNoJsonObject(String body) {
        refusal(body);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"temperature\":1e999}|temperature",
                "{\"a\":{\"b\":[0,-1e999]}}|a.b[1]",
                "{\"messages\":[{\"content\":\"x\\ud800\"}]}|messages[0].content",
                "{\"stop\":\"\\udc00\\ud800\"}|stop",
                "{\"stop\":\"\\ud83d\\ud83d\\ude00\"}|stop"
            })
    void refusesInfiniteNumbersAndHalvesOfCharactersNamingTheField(String body, String param) {
        assertThat(refusal(body).param()).contains(param);
    }

    @Test
    void refusesALoneSurrogateInAFieldsName() {
        assertThat(refusal("{\"\\udfff\":1}").getMessage()).contains("surrogate");
    }

    @Test
    void refusesBytesThatAreNoUtf8() {
        refusal(new byte[] {'{', '"', 'a', '"', ':', '"', (byte) 0xff, (byte) 0xfe, '"', '}'});
        refusal(new byte[] {'{', '"', 'a', '"', ':', '"', (byte) 0xed, (byte) 0xa0, (byte) 0x80, '"', '}'});
    }

    @Test
    void refusesJsonNested5000Deep() {
        ServingException refusal = refusal("{\"a\":" + "[".repeat(5000) + "]".repeat(5000) + "}");
        assertThat(refusal.getMessage()).contains("nesting depth").contains(Integer.toString(Json.NESTING_MAX));
        refusal("{\"a\":".repeat(5000) + "1" + "}".repeat(5000));
    }

    @Test
    void readsWholeCharactersAndKeepsTheOrderOfKeys() {
        var object =
                Json.parseObject("{\"z\":\"\\ud83d\\ude42\",\"a\":[1,2.5,true,null]}".getBytes(StandardCharsets.UTF_8));
        Map<String, Object> plain = Json.plainObject(object);
        assertThat(plain.keySet()).containsExactly("z", "a");
        assertThat(plain.get("z")).isEqualTo("🙂");
        assertThat(plain.get("a")).isEqualTo(Arrays.asList(1, 2.5, true, null));
    }

    @Test
    void saysWhereTheJsonIsBroken() {
        assertThatThrownBy(() -> Json.parseObject("{\"a\":\n tru}".getBytes(StandardCharsets.UTF_8)))
                .hasMessageContaining("line 2");
    }

    @Test
    void writesAnEmptyOptionalAsNullAndLeavesAnAbsentOneOut() {
        AnswerHead head = new AnswerHead("id", 1, "m", "fp");
        ChatChunk with = new ChatChunk(head.id(), "o", 1, "m", "fp", List.of(), Optional.empty());
        ChatChunk without = new ChatChunk(head.id(), "o", 1, "m", "fp", List.of(), null);
        assertThat(new String(Json.bytes(with), StandardCharsets.UTF_8)).endsWith("\"choices\":[],\"usage\":null}");
        assertThat(new String(Json.bytes(without), StandardCharsets.UTF_8)).endsWith("\"choices\":[]}");
    }
}
