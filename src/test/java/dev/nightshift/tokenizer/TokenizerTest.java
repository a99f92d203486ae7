package dev.nightshift.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

final class TokenizerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TINY = "nightshift-tiny";

    private static ObjectNode tinyJson() throws IOException {
        return (ObjectNode) JSON.readTree(Goldens.tokenizerJson(TINY).toFile());
    }

    private static Tokenizer load(JsonNode json) throws IOException {
        return Tokenizer.load(JSON.writeValueAsBytes(json));
    }

    @Test
    void aLongTextIsNotCutEvenIfTheFileAsksForIt() throws IOException {
        ObjectNode json = tinyJson();
        json.putObject("truncation")
                .put("direction", "Right")
                .put("max_length", 8)
                .put("strategy", "LongestFirst")
                .put("stride", 0);
        json.putObject("padding")
                .put("direction", "Right")
                .putNull("pad_to_multiple_of")
                .put("pad_id", 0)
                .put("pad_type_id", 0)
                .put("pad_token", "<|endoftext|>")
                .putObject("strategy")
                .put("Fixed", 4000);
        String text = "word ".repeat(3000);
        assertThat(load(json).encode(text, false))
                .hasSizeGreaterThan(2999)
                .isEqualTo(Goldens.tokenizer(TINY).encode(text, false));
        assertThat(load(json).encode("a", false)).hasSize(1);
    }

    @Test
    void whatStandsAroundATextIsTheFilesAloneAsInTransformers() throws IOException {
        JsonNode golden =
                JSON.readTree(Path.of("src/test/golden/tokenizers/ends.json").toFile());
        String text = golden.get("text").asText();
        for (JsonNode each : golden.get("cases")) {
            ObjectNode json = (ObjectNode) JSON.readTree(
                    Goldens.tokenizerJson(each.get("tokenizer").asText()).toFile());
            switch (each.get("post_processor").asText()) {
                case "written" -> {}
                case "none" -> json.putNull("post_processor");
                case "both" -> json.set("post_processor", each.get("processor"));
                default -> throw new IllegalStateException("golden case " + each);
            }
            Tokenizer tokenizer = load(json);
            int[] ids = JSON.convertValue(each.get("ids"), int[].class);
            assertThat(tokenizer.encode(text, true))
                    .as("%s, %s, %s", each.get("tokenizer"), each.get("post_processor"), each.get("config"))
                    .isEqualTo(ids);
            AlignedTokens aligned = tokenizer.align(text, true);
            assertThat(aligned.ids()).isEqualTo(ids);
            assertThat(aligned.to()[ids.length - 1]).isEqualTo(text.length());
        }
    }

    @Test
    void aLoneSurrogateBecomesAReplacementCharacterAndSpoilsNothingElse() {
        Tokenizer tokenizer = Goldens.tokenizer(TINY);
        assertThat(Tokenizer.wholeCharacters("a\uD83Db\uDE42c\uD83D\uDE42\uD83D"))
                .isEqualTo("a\uFFFDb\uFFFDc\uD83D\uDE42\uFFFD");
        int[] ids = tokenizer.encode("before \uD83D after 🙂", false);
        assertThat(tokenizer.decode(ids, false)).isEqualTo("before \uFFFD after 🙂");
    }

    @Test
    void idsOutsideTheVocabularyAreRefusedByDecodeAndEmptyInAStream() {
        Tokenizer tokenizer = Goldens.tokenizer(TINY);
        int size = tokenizer.vocabSize();
        for (int id : new int[] {-1, size, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> tokenizer.decode(new int[] {3, id}, true))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining(Integer.toString(id))
                    .hasMessageContaining(Integer.toString(size - 1));
            assertThat(tokenizer.streaming(false).push(id)).isEmpty();
            assertThat(tokenizer.tokenText(id)).isEmpty();
        }
    }

    @Test
    void wordsAboutATokenAgree() {
        Tokenizer tokenizer = Goldens.tokenizer(TINY);
        int id = tokenizer.encode(" the", false)[0];
        assertThat(tokenizer.tokenText(id)).isEqualTo(" the");
        assertThat(tokenizer.vocabularyText(id)).isEqualTo("Ġthe");
        assertThat(tokenizer.idOf("Ġthe")).hasValue(id);
        assertThat(tokenizer.idOf("no such token")).isEmpty();
        assertThat(tokenizer.tokenBytes(id)).isEqualTo(" the".getBytes(StandardCharsets.UTF_8));
        assertThat(tokenizer.isSpecial(id)).isFalse();
        assertThat(tokenizer.isSpecial(tokenizer.idOf("<|im_end|>").orElseThrow()))
                .isTrue();
    }

    @Test
    void partOfACharacterHasItsRawBytes() {
        Tokenizer tokenizer = Goldens.tokenizer(TINY);
        int[] ids = tokenizer.encode("𓀀", false);
        assertThat(ids.length).isGreaterThan(1);
        StringBuilder hex = new StringBuilder();
        for (int id : ids) {
            assertThat(tokenizer.tokenText(id)).contains("\uFFFD");
            for (byte b : tokenizer.tokenBytes(id)) {
                hex.append("%02x".formatted(b));
            }
        }
        assertThat(hex).hasToString("f0938080");
    }

    @Test
    void invalidBytesBecomeReplacementsAtOnceAndNeverStall() {
        Random random = new Random(5);
        for (int round = 0; round < 20_000; round++) {
            byte[] bytes = new byte[random.nextInt(8)];
            for (int i = 0; i < bytes.length; i++) {
                int[] interesting = {0x41, 0x80, 0xBF, 0xC2, 0xE1, 0xEF, 0xF1, 0xF4, 0x9F, 0xA0, 0xC0, 0xFF};
                bytes[i] = (byte) interesting[random.nextInt(interesting.length)];
            }
            Utf8Assembler assembler = new Utf8Assembler();
            StringBuilder text = new StringBuilder();
            assembler.push(bytes, text);
            assembler.finish(text);
            assertThat(text.toString()).isEqualTo(new String(bytes, StandardCharsets.UTF_8));
        }
        // the JDK gives one replacement for an encoded surrogate, the standard's table three
        StringBuilder text = new StringBuilder();
        Utf8Assembler assembler = new Utf8Assembler();
        assembler.push(new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80}, text);
        assertThat(text).hasToString("\uFFFD\uFFFD\uFFFD");
        assertThat(assembler.holdsBack()).isFalse();
    }

    @Test
    void whatIsWrongWithAFileIsNamed() throws IOException {
        assertThatThrownBy(() -> Tokenizer.load("{".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("no JSON");
        assertThatThrownBy(() -> Tokenizer.load("{}".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("model.vocab");
        assertThatThrownBy(() -> Tokenizer.load(Path.of("does/not/exist.json")))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("exist.json");
        ObjectNode wordPiece = tinyJson();
        wordPiece.putObject("decoder").put("type", "WordPiece");
        assertThatThrownBy(() -> load(wordPiece))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("decoder WordPiece is not supported");
        ObjectNode otherIds = tinyJson();
        ((ObjectNode) otherIds.path("added_tokens").get(0))
                .put("content", "<|new|>")
                .put("id", 9000);
        assertThatThrownBy(() -> load(otherIds))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("<|new|>")
                .hasMessageContaining("9000");
    }

    @Test
    void oneInstanceServesManyThreads() throws Exception {
        Tokenizer tokenizer = Goldens.tokenizer(TINY);
        List<String> texts = new ArrayList<>(Goldens.texts().values());
        List<int[]> alone =
                texts.stream().map(text -> tokenizer.encode(text, false)).toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            Callable<Void> all = () -> {
                for (int i = 0; i < texts.size(); i++) {
                    assertThat(tokenizer.encodeRendered(texts.get(i), new int[0]))
                            .isEqualTo(alone.get(i));
                }
                return null;
            };
            for (Future<Void> result : threads.invokeAll(Collections.nCopies(8, all))) {
                result.get();
            }
        }
    }
}
