package dev.nightshift.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Everything exactly as the tokenizers and transformers libraries do it. */
final class GoldenTokenizersTest {

    static Stream<String> names() {
        return Goldens.NAMES.stream();
    }

    @ParameterizedTest
    @MethodSource("names")
    void encodesEveryTextToTheSameIds(String name) throws IOException {
        Map<String, String> texts = Goldens.texts();
        Tokenizer tokenizer = Goldens.tokenizer(name);
        JsonNode golden = Goldens.golden(name).path("encode");
        assertThat(golden.size()).isEqualTo(texts.size());
        for (Map.Entry<String, String> text : texts.entrySet()) {
            JsonNode want = golden.path(text.getKey());
            String why = name + " " + text.getKey();
            assertThat(tokenizer.encode(text.getValue(), false)).as(why).isEqualTo(Goldens.ids(want.path("ids")));
            assertThat(tokenizer.encode(text.getValue(), true))
                    .as(why)
                    .isEqualTo(Goldens.ids(want.path("ids_with_special")));
            assertThat(tokenizer.encodePlain(text.getValue()))
                    .as(why)
                    .isEqualTo(Goldens.ids(want.path("ids_special_as_text")));
            assertThat(tokenizer.encodeRendered(text.getValue(), new int[0]))
                    .as(why + ", all of it trusted")
                    .isEqualTo(Goldens.ids(want.path("ids")));
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void decodesEveryListToTheSameText(String name) throws IOException {
        Tokenizer tokenizer = Goldens.tokenizer(name);
        for (JsonNode list : lists(name)) {
            int[] ids = idsOf(list);
            assertThat(tokenizer.decode(ids, true))
                    .isEqualTo(list.path("decode_skip").asText());
            assertThat(tokenizer.decode(ids, false))
                    .isEqualTo(list.path("decode_keep").asText());
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void streamsTheSamePieces(String name) throws IOException {
        Tokenizer tokenizer = Goldens.tokenizer(name);
        int compared = 0;
        for (JsonNode list : lists(name)) {
            for (String kind : List.of("skip", "keep")) {
                // stream_keep is left out where it equals stream_skip
                JsonNode pieces = list.has("stream_" + kind) ? list.path("stream_" + kind) : list.path("stream_skip");
                JsonNode rest = list.has("stream_" + kind) ? list.path("rest_" + kind) : list.path("rest_skip");
                if (pieces.isMissingNode()) {
                    continue;
                }
                List<String> want = new ArrayList<>();
                pieces.forEach(piece -> want.add(piece.asText()));
                StreamingDecoder decoder = tokenizer.streaming(kind.equals("skip"));
                List<String> got = new ArrayList<>();
                for (int id : idsOf(list)) {
                    got.add(decoder.push(id));
                }
                assertThat(got).as(name + " " + list).isEqualTo(want);
                assertThat(decoder.finish()).isEqualTo(rest.asText(""));
                compared++;
            }
        }
        assertThat(compared).isGreaterThan(300);
    }

    @ParameterizedTest
    @MethodSource("names")
    void joinedPiecesAreTheWholeDecodeForWhateverTextIsEncoded(String name) throws IOException {
        Tokenizer tokenizer = Goldens.tokenizer(name);
        List<String> texts = new ArrayList<>(Goldens.texts().values());
        Random random = new Random(20260301);
        for (int i = 0; i < 300; i++) {
            StringBuilder text = new StringBuilder();
            for (int j = random.nextInt(6); j >= 0; j--) {
                String other = texts.get(random.nextInt(texts.size()));
                int from = other.isEmpty() ? 0 : random.nextInt(other.length());
                text.append(other, from, Math.min(other.length(), from + random.nextInt(40)));
            }
            int[] ids = tokenizer.encode(text.toString(), random.nextBoolean());
            StreamingDecoder decoder = tokenizer.streaming(true);
            StringBuilder joined = new StringBuilder();
            for (int id : ids) {
                joined.append(decoder.push(id));
            }
            assertThat(joined.append(decoder.finish()).toString())
                    .as(name + ": " + text)
                    .isEqualTo(tokenizer.decode(ids, true));
            assertThat(tokenizer.encodeRendered(text.toString(), new int[0]))
                    .isEqualTo(tokenizer.encode(text.toString(), false));
        }
    }

    private static List<JsonNode> lists(String name) throws IOException {
        Goldens.texts();
        Goldens.tokenizerJson(name);
        List<JsonNode> lists = new ArrayList<>();
        Goldens.golden(name).path("encode").forEach(lists::add);
        Goldens.golden(name).path("decode").forEach(lists::add);
        return lists;
    }

    private static int[] idsOf(JsonNode list) {
        return Goldens.ids(list.has("ids_with_special") ? list.path("ids_with_special") : list.path("ids"));
    }
}
