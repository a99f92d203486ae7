package dev.nightshift.train.data;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.train.Segment;
import dev.nightshift.train.data.DatasetOptions.Goal;
import dev.nightshift.train.data.DatasetOptions.Rendering;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Spellings within the formats: the whole text that a row becomes, and what of it is learnt. */
class RowFormsTest {
    private static final String END = "<|im_end|>";

    @TempDir
    Path folder;

    private Conversations conversations;

    @BeforeEach
    void family() {
        conversations = Families.named("chatml", "qwen2-bpe", END);
    }

    private Dataset read(Goal goal, String... rows) throws IOException {
        return read(goal, Rendering.AUTO, rows);
    }

    private Dataset read(Goal goal, Rendering rendering, String... rows) throws IOException {
        Path file = Files.createTempFile(folder, "rows", ".jsonl");
        Files.writeString(file, String.join("\n", rows).replace('\'', '"'));
        return DatasetReader.read(
                List.of(new DatasetReader.Source(file, "rows.jsonl", 1)),
                conversations,
                new DatasetOptions(goal, Optional.empty(), rendering, false, 512, 7, 1));
    }

    private Segment segment(String row) throws IOException {
        return read(Goal.SUPERVISED, row)
                .sound("training_file")
                .samples()
                .getFirst()
                .getFirst();
    }

    private String learnt(Segment segment) {
        return SegmentTexts.learnt(conversations, segment);
    }

    private String whole(Segment segment) {
        return SegmentTexts.whole(conversations, segment);
    }

    @Test
    void shareGptHasSystemToolsAndManySpeakers() throws IOException {
        Segment segment =
                segment("{'conversations':[{'from':'system','value':'Be brief.'},{'from':'human','value':'A?'},"
                        + "{'from':'gpt','value':'B.'},{'from':'user','value':'C?'},{'from':'chatgpt','value':'D.'}]}");
        assertThat(whole(segment))
                .startsWith("<|im_start|>system\nBe brief." + END + "\n<|im_start|>user\nA?" + END)
                .contains("<|im_start|>user\nC?");
        assertThat(learnt(segment)).isEqualTo("B." + END + "D." + END);
        assertThat(whole(segment("{'system':'Be brief.','conversations':[{'from':'human','value':'A?'},"
                        + "{'from':'gpt','value':'B.'}]}")))
                .startsWith("<|im_start|>system\nBe brief." + END);
    }

    @Test
    void aDialogueOfSeveralTurnsIsLearntInAllOfTheAssistants() throws IOException {
        for (String row : List.of(
                "{'text':'### Human: A?### Assistant: B.### Human: C?### Assistant: D.'}",
                "{'chosen':'\\n\\nHuman: A?\\n\\nAssistant: B.\\n\\nHuman: C?\\n\\nAssistant: D.',"
                        + "'rejected':'\\n\\nHuman: A?\\n\\nAssistant: B.\\n\\nHuman: C?\\n\\nAssistant: no'}",
                "{'messages':[{'role':'user','content':'A?'},{'role':'assistant','content':'B.'},"
                        + "{'role':'user','content':'C?'},{'role':'assistant','content':'D.'}]}")) {
            Segment segment = segment(row);
            assertThat(learnt(segment)).as(row).isEqualTo("B." + END + "D." + END);
            assertThat(whole(segment)).as(row).contains("<|im_start|>user\nA?" + END, "<|im_start|>user\nC?" + END);
        }
    }

    @Test
    void ofAPairTheLastTurnAloneIsLearnt() throws IOException {
        List<Segment> pair = read(
                        Goal.PAIRS,
                        "{'chosen':'\\n\\nHuman: A?\\n\\nAssistant: B.\\n\\nHuman: C?\\n\\nAssistant: yes',"
                                + "'rejected':'\\n\\nHuman: A?\\n\\nAssistant: B.\\n\\nHuman: C?\\n\\nAssistant: no'}")
                .sound("training_file")
                .samples()
                .getFirst();
        assertThat(pair).extracting(this::learnt).containsExactly("yes" + END, "no" + END);
        assertThat(whole(pair.get(1))).contains("assistant\nB." + END);
    }

    @Test
    void alpacaMayHaveNoInput() throws IOException {
        String instruction = "'instruction':'Do it.','output':'Done.'";
        for (String row : List.of("{" + instruction + "}", "{" + instruction + ",'input':''}")) {
            assertThat(whole(segment(row)))
                    .startsWith("<|im_start|>user\nDo it." + END + "\n<|im_start|>assistant\nDone." + END);
        }
        assertThat(whole(segment("{" + instruction + ",'input':'Now.'}"))).contains("user\nDo it.\n\nNow." + END);
        Segment plain = read(Goal.SUPERVISED, Rendering.PLAIN, "{" + instruction + "}")
                .samples()
                .getFirst()
                .getFirst();
        assertThat(whole(plain))
                .isEqualTo(
                        "Below is an instruction that describes a task. Write a response that appropriately completes"
                                + " the request.\n\n### Instruction:\nDo it.\n\n### Response: Done." + END);
        assertThat(learnt(plain)).isEqualTo("Done." + END);
    }

    @Test
    void aPromptCanGoThroughTheTemplate() throws IOException {
        String row = "{'prompt':'A?','completion':' B.'}";
        assertThat(whole(segment(row))).isEqualTo("A? B." + END);
        assertThat(whole(read(Goal.SUPERVISED, Rendering.CHAT, row)
                        .samples()
                        .getFirst()
                        .getFirst()))
                .startsWith("<|im_start|>user\nA?" + END + "\n<|im_start|>assistant\nB." + END);
    }

    @Test
    void olderFunctionCallsAndRefusalsAreLearnt() throws IOException {
        conversations = Families.of("Qwen-Qwen2.5-7B-Instruct", "qwen2-bpe", END);
        Segment call = segment("{'messages':[{'role':'user','content':'Weather?'},{'role':'assistant','content':null,"
                + "'function_call':{'name':'weather','arguments':'{\\\"city\\\": \\\"Rome\\\"}'}}],"
                + "'functions':[{'name':'weather','parameters':{}}]}");
        assertThat(whole(call)).contains("\"name\": \"weather\"", "<tools>");
        assertThat(learnt(call)).contains("Rome").doesNotContain("<tools>");
        Segment refusal = segment("{'messages':[{'role':'user','content':'How?'},"
                + "{'role':'assistant','content':null,'refusal':'I will not.'}]}");
        assertThat(learnt(refusal)).isEqualTo("I will not." + END);
    }

    @Test
    void theSameRoleTwiceIsUpToTheTemplate() throws IOException {
        String row = "{'messages':[{'role':'user','content':'A'},{'role':'user','content':'B'},"
                + "{'role':'assistant','content':'C'}]}";
        assertThat(learnt(segment(row))).isEqualTo("C" + END);
        conversations = Families.of("mistralai-Mistral-Nemo-Instruct-2407", "llama2-bpe", "</s>");
        Dataset refused = read(Goal.SUPERVISED, row);
        assertThat(refused.faults()).singleElement().matches(fault -> fault.line() == 1);
        assertThat(refused.faults().getFirst().message()).containsIgnoringCase("alternate");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'input':{'messages':[{'role':'user','content':'A'}]},'preferred_output':[{'role':'user','content':'B'}],'non_preferred_output':[{'role':'assistant','content':'C'}]}|role user",
                "{'input':{'messages':[{'role':'user','content':'A'}]},'preferred_output':[],'non_preferred_output':[{'role':'assistant','content':'C'}]}|preferred_output",
                "{'input':{'messages':[{'role':'user','content':'A'}]},'preferred_output':[{'role':'assistant','content':'B'}]}|non_preferred_output: missing",
                "{'input':{'messages':[]},'preferred_output':[{'role':'assistant','content':'B'}],'non_preferred_output':[{'role':'assistant','content':'C'}]}|input.messages",
                "{'prompt':'A','chosen':'B','rejected':7}|rejected",
                "{'prompt':'A','chosen':'','rejected':'B'}|chosen: empty",
                "{'messages':[{'role':'user','content':'A'},{'role':'assistant','content':'B'}]}|chat do not serve"
            })
    void aPairThatIsNoneIsNamed(String row, String reason) throws IOException {
        Dataset dataset = read(Goal.PAIRS, row);
        assertThat(dataset.samples()).isEmpty();
        assertThat(dataset.faults()).hasSize(1);
        assertThat(dataset.faults().getFirst().message()).contains(reason);
    }

    @Test
    void aLabelIsTrueOrFalse() throws IOException {
        for (String label : List.of("'yes'", "2", "0.5", "[]")) {
            assertThat(read(Goal.RATED, "{'prompt':'A','completion':'B','label':" + label + "}")
                            .faults()
                            .getFirst()
                            .message())
                    .as(label)
                    .startsWith("label: true or false");
        }
        assertThat(read(Goal.RATED, "{'prompt':'A','completion':'B','label':1}").samples())
                .hasSize(1);
    }

    /** The first file's rows are drawn, the second's come twice each. */
    @Test
    void rowsAreMixedFromTheirOwnFiles() throws IOException {
        Path some = Files.createTempFile(folder, "some", ".jsonl");
        Files.write(
                some,
                IntStream.range(0, 10)
                        .mapToObj(i -> "{\"text\":\"some " + i + "\"}")
                        .toList());
        Path twice = Files.createTempFile(folder, "twice", ".jsonl");
        Files.write(twice, List.of("{\"text\":\"twice a\"}", "{\"text\":\"twice b\"}"));
        List<String> texts = DatasetReader.read(
                        List.of(
                                new DatasetReader.Source(some, "some", 0.3),
                                new DatasetReader.Source(twice, "twice", 2)),
                        conversations,
                        new DatasetOptions(Goal.SUPERVISED, Optional.empty(), Rendering.AUTO, false, 64, 7, 1))
                .sound("training_file")
                .samples()
                .stream()
                .map(sample -> whole(sample.getFirst()).replace(END, ""))
                .toList();
        assertThat(texts.subList(0, 3)).doesNotHaveDuplicates().allMatch(text -> text.startsWith("some "));
        assertThat(texts.subList(3, texts.size())).isEqualTo(Arrays.asList("twice a", "twice b", "twice a", "twice b"));
    }

    @Test
    void aFaultOfTheSecondFileNamesItAndNothingIsAccepted() throws IOException {
        Path good = Files.writeString(folder.resolve("good.jsonl"), "{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
        Path bad = Files.writeString(folder.resolve("bad.jsonl"), "{\"text\":\"a\"}\n\n{\"text\":7}\n");
        Dataset dataset = DatasetReader.read(
                List.of(new DatasetReader.Source(good, "file-good", 1), new DatasetReader.Source(bad, "file-bad", 1)),
                conversations,
                new DatasetOptions(Goal.SUPERVISED, Optional.empty(), Rendering.AUTO, false, 64, 7, 1));
        assertThat(dataset.samples()).isEmpty();
        assertThat(dataset.faults())
                .singleElement()
                .isEqualTo(new Dataset.Fault("file-bad", 3, "text: a string is expected, got 7"));
    }
}
