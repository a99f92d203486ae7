package dev.nightshift.train.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Segment;
import dev.nightshift.train.Segment.Role;
import dev.nightshift.train.data.DatasetOptions.Goal;
import dev.nightshift.train.data.DatasetOptions.Rendering;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DatasetReaderTest {
    private static final String CHAT =
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes\"}]}";

    @TempDir
    Path folder;

    private Conversations conversations;

    @BeforeEach
    void family() {
        conversations = Families.named("chatml", "qwen2-bpe", "<|im_end|>");
    }

    private static DatasetOptions options(Goal goal) {
        return new DatasetOptions(goal, Optional.empty(), Rendering.AUTO, false, 64, 7, 1);
    }

    private DatasetReader.Source file(double weight, String... rows) throws IOException {
        Path file = Files.createTempFile(folder, "rows", ".jsonl");
        Files.writeString(file, String.join("\n", rows));
        return new DatasetReader.Source(file, "rows.jsonl", weight);
    }

    private Dataset read(DatasetOptions options, String... rows) throws IOException {
        return DatasetReader.read(List.of(file(1, rows)), conversations, options);
    }

    private String learnt(Segment segment) {
        return SegmentTexts.learnt(conversations, segment);
    }

    private String whole(Segment segment) {
        return SegmentTexts.whole(conversations, segment);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes\"}]}|Yes",
                "{\"prompt\":\"Hi\",\"completion\":\" Yes\"}|` Yes`",
                "{\"input\":\"Answer:\",\"output\":\" B\"}|` B`",
                "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"Yes\"}]}|Yes",
                "{\"text\":\"all of it\"}|all of it",
                "{\"text\":\"### Human: Hi### Assistant: Yes### Human: And\"}|Yes",
                "{\"instruction\":\"Do\",\"input\":\"this\",\"output\":\"Yes\"}|Yes",
                "{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Yes\"}]}|Yes",
                "{\"chosen\":\"\\n\\nHuman: Hi\\n\\nAssistant: Yes\",\"rejected\":\"\\n\\nHuman: Hi\\n\\nAssistant: No\"}|Yes"
            })
    void everySupervisedFormatIsRecognised(String row, String learnt) throws IOException {
        Dataset dataset = read(options(Goal.SUPERVISED), row).sound("training_file");
        assertThat(dataset.samples()).hasSize(1);
        Segment segment = dataset.samples().getFirst().getFirst();
        assertThat(segment.role()).isEqualTo(Role.TARGET);
        assertThat(learnt(segment)).isEqualTo(learnt + "<|im_end|>");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]},\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"Yes\"}],\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"No\"}]}",
                "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]},\"preferred_completion\":[{\"role\":\"assistant\",\"content\":\"Yes\"}],\"non_preferred_completion\":[{\"role\":\"assistant\",\"content\":\"No\"}]}",
                "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"Yes\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"No\"}]}",
                "{\"prompt\":\"Hi\",\"chosen\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes\"}],\"rejected\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"No\"}]}",
                "{\"chosen\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes\"}],\"rejected\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"No\"}]}",
                "{\"prompt\":\"\\n\\nHuman: Hi\\n\\nAssistant:\",\"chosen\":\" Yes\",\"rejected\":\" No\"}",
                "{\"chosen\":\"\\n\\nHuman: Hi\\n\\nAssistant: Yes\",\"rejected\":\"\\n\\nHuman: Hi\\n\\nAssistant: No\"}"
            })
    void everySpellingOfAPairGivesTheSameTwoSegments(String row) throws IOException {
        List<Segment> pair =
                read(options(Goal.PAIRS), row).sound("training_file").samples().getFirst();
        assertThat(pair).extracting(Segment::role).containsExactly(Role.CHOSEN, Role.REJECTED);
        assertThat(pair).extracting(this::learnt).containsExactly("Yes<|im_end|>", "No<|im_end|>");
        assertThat(whole(pair.getFirst())).startsWith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes");
        List<List<Segment>> rated = read(options(Goal.RATED), row).samples();
        assertThat(rated).hasSize(2);
        assertThat(rated.get(1).getFirst().role()).isEqualTo(Role.UNDESIRABLE);
    }

    @Test
    void ratedRowsHaveTheirLabelsRole() throws IOException {
        Dataset dataset = read(
                options(Goal.RATED),
                "{\"prompt\":\"Hi\",\"completion\":\" Yes\",\"label\":true}",
                "{\"prompt\":\"Hi\",\"completion\":\" No\",\"label\":false}");
        assertThat(dataset.samples())
                .extracting(sample -> sample.getFirst().role())
                .containsExactly(Role.DESIRABLE, Role.UNDESIRABLE);
        assertThat(read(options(Goal.SUPERVISED), "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}")
                        .samples())
                .hasSize(1);
    }

    @Test
    void theSettingDecidesWhereSeveralFormatsFit() throws IOException {
        String row = "{\"text\":\"### Human: Hi### Assistant: Yes\"}";
        DatasetOptions asText =
                new DatasetOptions(Goal.SUPERVISED, Optional.of(DatasetFormat.TEXT), Rendering.AUTO, false, 64, 7, 1);
        assertThat(learnt(read(asText, row).samples().getFirst().getFirst()))
                .isEqualTo("### Human: Hi### Assistant: Yes<|im_end|>");
        DatasetOptions plain = new DatasetOptions(Goal.SUPERVISED, Optional.empty(), Rendering.PLAIN, false, 256, 7, 1);
        Segment guanaco = read(plain, row).samples().getFirst().getFirst();
        assertThat(whole(guanaco)).isEqualTo("### Human: Hi### Assistant: Yes<|im_end|>");
        assertThat(learnt(guanaco)).contains("Yes<|im_end|>").doesNotContain("Hi");
        String alpaca = "{\"instruction\":\"Do\",\"input\":\"this\",\"output\":\"Yes\"}";
        assertThat(whole(read(plain, alpaca).samples().getFirst().getFirst()))
                .contains("### Instruction:\nDo\n\n### Input:\nthis\n\n### Response: Yes");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "[1]|a row is an object",
                "{\"messages\":[]}|empty",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}|last message is of role user",
                "{\"messages\":[{\"role\":\"bot\",\"content\":\"x\"}]}|'bot'",
                "{\"messages\":[{\"role\":\"assistant\",\"content\":7}]}|content",
                "{\"messages\":[{\"role\":\"assistant\"}]}|content: missing",
                "{\"messages\":[{\"content\":\"x\"}]}|role",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"mood\":1}]}|unknown key 'mood'",
                "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"weight\":2}]}|weight",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"weight\":1}]}|weight",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\",\"weight\":0}]}|weight 0",
                "{\"nothing\":1}|messages: missing",
                "{\"messages\":|not valid JSON"
            })
    void aRowThatBreaksTheRulesIsNamedByItsLine(String row, String reason) throws IOException {
        Dataset dataset = read(options(Goal.SUPERVISED), CHAT, "", row, CHAT);
        assertThat(dataset.samples()).isEmpty();
        assertThat(dataset.faults()).hasSize(1);
        assertThat(dataset.faults().getFirst().line()).isEqualTo(3);
        assertThat(dataset.faults().getFirst().message()).contains(reason);
    }

    @Test
    void twentyFaultsAreToldAndAllAreCounted() throws IOException {
        List<String> rows = new ArrayList<>(Collections.nCopies(25, "{\"messages\":[]}"));
        rows.add(CHAT);
        Dataset dataset = read(options(Goal.SUPERVISED), rows.toArray(String[]::new));
        ServingException refusal = catchThrowableOfType(ServingException.class, () -> dataset.sound("training_file"));
        assertThat(refusal.param()).contains("training_file");
        assertThat(refusal)
                .hasMessageContaining("25 faults")
                .hasMessageContaining("line 20")
                .hasMessageContaining("5 more");
        assertThat(refusal.getMessage()).doesNotContain("line 21");
    }

    @Test
    void tenRowsPassAndNineDoNot() throws IOException {
        DatasetOptions training = new DatasetOptions(
                Goal.SUPERVISED, Optional.empty(), Rendering.AUTO, false, 64, 7, DatasetOptions.TRAINING_ROWS_MIN);
        String[] nine = Collections.nCopies(9, CHAT).toArray(String[]::new);
        assertThat(read(training, nine).faults().getFirst().message()).contains("9 usable rows", "10");
        String[] ten = Collections.nCopies(10, CHAT).toArray(String[]::new);
        Dataset dataset = read(training, ten).sound("training_file");
        assertThat(dataset.counts().duplicates()).isEqualTo(9);
        assertThat(dataset.notes()).singleElement().asString().startsWith("9 rows");
    }

    @Test
    void longRowsAreCutAtTheEndAndCountedAndRowsWithoutTargetsDropped() throws IOException {
        String longAnswer = CHAT.replace("Yes", "word ".repeat(200).strip());
        String longQuestion = CHAT.replace("Hi", "word ".repeat(200).strip());
        Dataset dataset =
                read(options(Goal.SUPERVISED), longAnswer, longQuestion, CHAT).sound("training_file");
        assertThat(dataset.samples()).hasSize(2);
        assertThat(dataset.samples().getFirst().getFirst().ids()).hasSize(64);
        assertThat(dataset.counts().truncated()).isEqualTo(2);
        assertThat(dataset.counts().dropped()).isEqualTo(1);
        assertThat(dataset.counts().longestTokens()).isEqualTo(64);
    }

    @Test
    void filesAreMixedByTheirWeights() throws IOException {
        String[] rows = IntStream.range(0, 10)
                .mapToObj(i -> CHAT.replace("Yes", "first " + i))
                .toArray(String[]::new);
        List<DatasetReader.Source> sources = List.of(file(0.5, rows), file(2, CHAT));
        Dataset once = DatasetReader.read(sources, conversations, options(Goal.SUPERVISED));
        assertThat(once.samples()).hasSize(5 + 2);
        assertThat(once.counts().rows()).isEqualTo(11);
        Dataset again = DatasetReader.read(sources, conversations, options(Goal.SUPERVISED));
        for (int i = 0; i < 7; i++) {
            assertThat(again.samples().get(i).getFirst().ids())
                    .isEqualTo(once.samples().get(i).getFirst().ids());
        }
    }

    @Test
    void packingKeepsPairsTogetherAndBatchesWithinTheirCapacity() {
        List<List<Segment>> samples = new ArrayList<>();
        for (int length : new int[] {30, 5, 20, 10, 25, 9, 2, 31}) {
            samples.add(List.of(
                    new Segment(new int[length], new float[length], Role.CHOSEN),
                    new Segment(new int[length], new float[length], Role.REJECTED)));
        }
        List<MicroBatch> packed = Packing.pack(samples, 64, true);
        assertThat(packed).allSatisfy(batch -> {
            assertThat(batch.tokens()).isLessThanOrEqualTo(64);
            for (int i = 0; i < batch.segments().size(); i += 2) {
                assertThat(batch.segments().get(i).role()).isEqualTo(Role.CHOSEN);
                assertThat(batch.segments().get(i + 1).ids())
                        .hasSameSizeAs(batch.segments().get(i).ids());
            }
        });
        assertThat(packed).hasSize(5); // 264 tokens, so 5 at least
        assertThat(Packing.pack(samples, 64, false)).hasSize(8);
    }

    @Test
    void anEpochsOrderIsADeterministicPermutationWithLikeLengthsTogether() {
        int[] lengths = IntStream.range(0, 403).map(i -> (i * 37) % 200).toArray();
        int[] order = RowOrder.of(lengths, 4, 11, 2, true);
        assertThat(order).isEqualTo(RowOrder.of(lengths, 4, 11, 2, true));
        assertThat(order).isNotEqualTo(RowOrder.of(lengths, 4, 11, 3, true));
        assertThat(Arrays.stream(order).sorted())
                .containsExactlyElementsOf(IntStream.range(0, 403).boxed().toList());
        assertThat(spread(lengths, order)).isLessThan(spread(lengths, RowOrder.of(lengths, 4, 11, 2, false)) / 5);
    }

    private static int spread(int[] lengths, int[] order) {
        int spread = 0;
        for (int from = 0; from + 4 <= order.length; from += 4) {
            int[] batch =
                    Arrays.stream(order, from, from + 4).map(i -> lengths[i]).toArray();
            spread += Arrays.stream(batch).max().orElseThrow()
                    - Arrays.stream(batch).min().orElseThrow();
        }
        return spread;
    }

    @ParameterizedTest
    @CsvSource({"oasst1-chat", "oasst1-guanaco-text", "mmlu-zero-shot-val", "vicuna-guanaco-65b-answers"})
    void realDataIsReadWithoutFaults(String name) throws IOException {
        Path file = Path.of("../shared/datasets/" + name + ".jsonl");
        Assumptions.assumeTrue(Files.exists(file), file + " is not here");
        DatasetOptions options =
                new DatasetOptions(Goal.SUPERVISED, Optional.empty(), Rendering.AUTO, false, 512, 7, 10);
        Dataset dataset = DatasetReader.read(List.of(new DatasetReader.Source(file, name, 1)), conversations, options);
        assertThat(dataset.faults()).isEmpty();
        assertThat(dataset.counts().rows()).isEqualTo(Files.readAllLines(file).size());
        assertThat(dataset.counts().lastTurnOnly()).isZero();
        assertThat(dataset.samples())
                .hasSize((int) (dataset.counts().rows() - dataset.counts().dropped()));
        assertThat(dataset.counts().targetTokens())
                .isPositive()
                .isLessThan(dataset.counts().tokens());
    }
}
