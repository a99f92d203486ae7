package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Tokens to text, token by token: the cases of public bug reports on stop strings, characters and scores among them. */
final class ChatStreamTest {
    private static final int END = 2;
    private static final Map<Byte, Integer> BYTE_IDS = new HashMap<>();

    private static int[] ids(String... tokens) {
        return Arrays.stream(tokens)
                .mapToInt(token -> Fixture.tiny().idOf(token).orElseThrow())
                .toArray();
    }

    /** One id for each byte of the text, so that no token is a whole character unless it is ASCII. */
    private static int[] bytes(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[utf8.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = BYTE_IDS.computeIfAbsent(utf8[i], ChatStreamTest::byteId);
        }
        return ids;
    }

    private static int byteId(byte b) {
        int id = 0;
        while (!Arrays.equals(Fixture.tiny().tokenBytes(id), new byte[] {b})) {
            id++;
        }
        return id;
    }

    private static List<ChatEvent> run(ChatRequest request, List<TokenEvent> script) {
        return Fixture.drain(
                Fixture.chat(new ScriptedTokens(9999, List.of(script))).complete(request, () -> {}));
    }

    private static String text(List<ChatEvent> events) {
        return String.join("", Fixture.texts(events));
    }

    private static ChatRequest scored(List<String> stops, int minTokens, Integer... stopIds) {
        return Fixture.request(
                new ChatRequest.Text("hi", true), Fixture.sampling(1, minTokens, List.of(stopIds)), 1, stops);
    }

    @Test
    void eventsComeInOrderAndEndWithUsage() {
        List<ChatEvent> events =
                run(Fixture.request(List.of()), ScriptedTokens.script(END, ids("H", "ell", "o", "Ġworld")));
        assertThat(events.getFirst())
                .isEqualTo(new ChatEvent.Started(Fixture.tiny().encode("hi", true).length));
        assertThat(Fixture.texts(events)).containsExactly("H", "ell", "o", " world");
        assertThat(events.get(events.size() - 2))
                .isEqualTo(new ChatEvent.ChoiceFinished(0, FinishReason.STOP, null, 5));
        assertThat(events.getLast())
                .isEqualTo(new ChatEvent.Completed(Fixture.tiny().encode("hi", true).length, 5, 0));
    }

    @Test
    void aStopStringSplitOverTokensIsNeverSent() {
        List<ChatEvent> events =
                run(Fixture.request(List.of("DEFGHIJ")), ScriptedTokens.script(END, bytes("ABCDEFGHIJKL")));
        assertThat(Fixture.texts(events)).containsExactly("A", "B", "C");
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class))
                .isEqualTo(new ChatEvent.ChoiceFinished(0, FinishReason.STOP, "DEFGHIJ", 10));
    }

    @Test
    void heldTextThatBecomesNoStopStringIsSentTogether() {
        List<ChatEvent> events =
                run(Fixture.request(List.of("DEFGHIJ")), ScriptedTokens.script(-1, bytes("CDEFGHxDEF")));
        assertThat(Fixture.texts(events)).containsExactly("C", "DEFGHx", "DEF");
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).reason())
                .isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void aStopStringInsideATokenCutsExactlyAtTheString() {
        int[] hello = ids("H", "ell", "o", "Ġworld");
        assertThat(text(run(Fixture.request(List.of("ll")), ScriptedTokens.script(END, hello))))
                .isEqualTo("He");
        assertThat(text(run(Fixture.request(List.of("o w")), ScriptedTokens.script(END, hello))))
                .isEqualTo("Hell");
        assertThat(text(run(Fixture.includingStop(Fixture.request(List.of("o w"))), ScriptedTokens.script(END, hello))))
                .isEqualTo("Hello w");
    }

    @Test
    void ofSeveralStopStringsTheOneThatEndsFirstCounts() {
        List<ChatEvent> events = run(
                Fixture.request(List.of("world", "o w", "zzz")),
                ScriptedTokens.script(END, ids("H", "ell", "o", "Ġworld")));
        assertThat(text(events)).isEqualTo("Hell");
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).stopReason())
                .isEqualTo("o w");
    }

    @Test
    void aStopStringEndsTheSequenceAtOnceAndUsageWaitsForItsEnd() {
        ScriptedTokens engine = new ScriptedTokens(0, List.of(ScriptedTokens.script(END, bytes("abSTOPcdef"))));
        ChatStream stream = Fixture.chat(engine).complete(Fixture.request(List.of("STOP")), () -> {});
        assertThat(Fixture.drain(stream)).hasSize(1);
        engine.played.getFirst().release(5);
        assertThat(Fixture.texts(Fixture.drain(stream))).containsExactly("a", "b");
        assertThat(engine.played.getFirst().cancelled).isFalse();
        engine.played.getFirst().release(1);
        List<ChatEvent> rest = Fixture.drain(stream);
        assertThat(engine.played.getFirst().cancelled).isTrue();
        assertThat(rest)
                .containsExactly(
                        new ChatEvent.ChoiceFinished(0, FinishReason.STOP, "STOP", 6),
                        new ChatEvent.Completed(Fixture.tiny().encode("hi", true).length, 6, 5));
        assertThat(stream.poll()).isNull();
    }

    @Test
    void minTokensLetsAnEarlyStopStringPass() {
        List<ChatEvent> events = run(scored(List.of("b"), 3), ScriptedTokens.script(END, bytes("abcabc")));
        assertThat(text(events)).isEqualTo("abca");
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).completionTokens())
                .isEqualTo(5);
    }

    @Test
    void aCharacterOverSeveralTokensComesWholeAndAtOnce() {
        for (String emoji : List.of("🙂🙂", "👩‍👩‍👧‍👦", "a🙂 b", "é好𓀀")) {
            List<ChatEvent> events = run(Fixture.request(List.of()), ScriptedTokens.script(END, bytes(emoji)));
            assertThat(text(events)).isEqualTo(emoji);
            assertThat(Fixture.texts(events)).noneMatch(text -> text.contains("\uFFFD") || text.isEmpty());
            assertThat(events.stream()
                            .filter(ChatEvent.Text.class::isInstance)
                            .flatMap(event -> ((ChatEvent.Text) event).ids().stream()))
                    .containsExactlyElementsOf(
                            Arrays.stream(bytes(emoji)).boxed().toList());
        }
    }

    @Test
    void anEndInsideACharacterAndBrokenBytesAreTheSameStreamedAndWhole() throws Exception {
        int[] smile = bytes("🙂");
        for (int[] tokens : List.of(
                Arrays.copyOf(smile, 2),
                ScriptedTokens.concat(Arrays.copyOf(smile, 3), ids("Ġworld")),
                ScriptedTokens.concat(new int[] {smile[1], smile[2]}, smile),
                bytes("\uFFFD\uFFFD real"))) {
            List<ChatEvent> events = run(Fixture.request(List.of()), ScriptedTokens.script(END, tokens));
            assertThat(text(events)).isEqualTo(Fixture.tiny().decode(tokens, true));
            assertThat(whole(Fixture.request(List.of()), ScriptedTokens.script(END, tokens))
                            .choices()
                            .getFirst()
                            .text())
                    .isEqualTo(text(events));
        }
    }

    /** Bytes that the reader's thread allocates while it turns so many broken bytes into text. */
    private static long workOfReplacements(int characters, List<String> stops) {
        int[] tokens = new int[characters];
        Arrays.fill(tokens, byteId((byte) 0x80));
        ChatStream stream = Fixture.chat(
                        new ScriptedTokens(Integer.MAX_VALUE, List.of(ScriptedTokens.script(END, tokens))))
                .complete(Fixture.request(stops), () -> {});
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = thread.getCurrentThreadAllocatedBytes();
        List<ChatEvent> events = Fixture.drain(stream);
        long work = thread.getCurrentThreadAllocatedBytes() - before;
        assertThat(text(events)).isEqualTo("\uFFFD".repeat(characters));
        if (stops.isEmpty()) {
            assertThat(Fixture.texts(events)).as("each at once").hasSize(characters);
        }
        return work;
    }

    /** Decoding what is there again with every token would take 64 times as much for eight times the text. */
    @Test
    void aLongRunOfReplacementCharactersIsSentWithWorkThatGrowsAsItsLength() {
        for (List<String> stops : List.of(List.<String>of(), List.of("\uFFFD\uFFFDx", "\uFFFD".repeat(9) + "y"))) {
            workOfReplacements(1000, stops);
            long few = workOfReplacements(1000, stops);
            long many = workOfReplacements(8000, stops);
            assertThat(many).as("bytes for 8000, %d for 1000", few).isBetween(4 * few, 12 * few);
        }
    }

    private static ChatResult whole(ChatRequest request, List<TokenEvent> script) throws Exception {
        return ChatResult.of(Fixture.chat(new ScriptedTokens(9999, List.of(script))), request, Runnable::run)
                .get(5, TimeUnit.SECONDS);
    }

    @Test
    void theEndTokenAndSkippedSpecialTokensAreNeverVisible() {
        assertThat(text(run(
                        Fixture.request(List.of("<|im_")),
                        ScriptedTokens.script(END, ids("H", "<|im_start|>", "ell", "o")))))
                .isEqualTo("Hello");
        ChatRequest keep = new ChatRequest(
                "tiny",
                new ChatRequest.Text("hi", true),
                SamplingParameters.greedy(),
                true,
                Optional.of(9),
                List.of(),
                false,
                false,
                1,
                -1,
                "",
                Optional.empty());
        assertThat(text(run(keep, ScriptedTokens.script(END, ids("H", "<|im_start|>", "ell", "o")))))
                .isEqualTo("H<|im_start|>ello");
    }

    @Test
    void aStopIdIsNamedUnlikeTheModelsOwnEndToken() {
        List<ChatEvent> events = run(scored(List.of(), 0, 77), ScriptedTokens.script(77, ids("H")));
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).stopReason())
                .isEqualTo(77);
        events = run(scored(List.of(), 0, 77), ScriptedTokens.script(END, ids("H")));
        assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).stopReason())
                .isNull();
    }

    @Test
    void everyTokenHasItsScoreTextAndRawBytesTheEndTokenToo() {
        int[] tokens = ScriptedTokens.concat(ids("H"), bytes("🙂"));
        List<ChatEvent> events = run(scored(List.of(), 0), ScriptedTokens.script(END, tokens));
        List<ChatEvent.TokenLogprob> scores = events.stream()
                .filter(ChatEvent.Text.class::isInstance)
                .flatMap(event -> ((ChatEvent.Text) event).logprobs().stream())
                .toList();
        assertThat(scores)
                .extracting(ChatEvent.TokenLogprob::id)
                .containsExactlyElementsOf(Arrays.stream(ScriptedTokens.concat(tokens, END))
                        .boxed()
                        .toList());
        assertThat(scores.get(1).token()).isEqualTo("\uFFFD");
        assertThat(scores.get(1).bytes()).containsExactly(0xF0);
        assertThat(scores.get(0).logprob()).isEqualTo(-tokens[0] / 1000f);
        assertThat(scores.get(0).top()).extracting(ChatEvent.TokenLogprob::id).containsExactly(tokens[0], 7);
        assertThat(text(events)).isEqualTo("H🙂");
        assertThat(run(Fixture.request(List.of()), ScriptedTokens.script(END, tokens)))
                .allMatch(event -> !(event instanceof ChatEvent.Text piece)
                        || piece.logprobs().isEmpty());
    }

    @Test
    void tokensThatLieWhollyInTheStopStringAreNoPartOfTheAnswer() {
        List<ChatEvent> events =
                run(scored(List.of("lo w"), 0), ScriptedTokens.script(END, ids("H", "ell", "o", "Ġworld")));
        assertThat(events.stream()
                        .filter(ChatEvent.Text.class::isInstance)
                        .flatMap(event -> ((ChatEvent.Text) event).logprobs().stream())
                        .map(ChatEvent.TokenLogprob::id))
                .containsExactly(Arrays.stream(ids("H", "ell")).boxed().toArray(Integer[]::new));
    }

    @Test
    void promptScoresNameEveryPromptTokenAndTheFirstHasNone() {
        int[] prompt = Fixture.tiny().encode("hi there", true);
        List<TokenEvent> script = new ArrayList<>();
        script.add(new TokenEvent.PromptScores(
                Arrays.stream(prompt).skip(1).mapToObj(ScriptedTokens::scored).toList()));
        script.add(new TokenEvent.Finished(FinishReason.LENGTH, -1, null, 0));
        ChatRequest request = Fixture.withMax(
                Fixture.request(new ChatRequest.Ids(prompt), Fixture.sampling(-1, 0, List.of()), 1, List.of()),
                Optional.of(0),
                1);
        List<ChatEvent> events = run(request, script);
        List<ChatEvent.TokenLogprob> scores =
                Fixture.only(events, ChatEvent.PromptScored.class).tokens();
        assertThat(scores.stream().mapToInt(ChatEvent.TokenLogprob::id).toArray())
                .isEqualTo(prompt);
        assertThat(scores.getFirst().logprob()).isNaN();
        assertThat(Fixture.only(events, ChatEvent.Completed.class).completionTokens())
                .isZero();
    }

    @Test
    void choicesInterleaveAndEachHasItsOwnStop() {
        ScriptedTokens engine = new ScriptedTokens(
                9999, List.of(ScriptedTokens.script(END, bytes("aaXb")), ScriptedTokens.script(-1, bytes("ccccccc"))));
        List<ChatEvent> events = Fixture.drain(Fixture.chat(engine)
                .complete(
                        Fixture.request(
                                new ChatRequest.Text("hi", true), Fixture.sampling(-1, 0, List.of()), 2, List.of("X")),
                        () -> {}));
        assertThat(events.stream()
                        .filter(ChatEvent.Text.class::isInstance)
                        .map(event -> ((ChatEvent.Text) event).choice())
                        .limit(4))
                .containsExactly(0, 1, 0, 1);
        assertThat(events.stream().filter(ChatEvent.ChoiceFinished.class::isInstance))
                .containsExactly(
                        new ChatEvent.ChoiceFinished(0, FinishReason.STOP, "X", 3),
                        new ChatEvent.ChoiceFinished(1, FinishReason.LENGTH, null, 7));
        assertThat(Fixture.only(events, ChatEvent.Completed.class).completionTokens())
                .isEqualTo(10);
    }

    @Test
    void aFailedChoiceEndsTheRequestAndCancelsTheOthers() {
        ServingException failure = new ServingException(ErrorCode.NON_FINITE_LOGITS, "NaN");
        ScriptedTokens engine = new ScriptedTokens(
                2,
                List.of(
                        List.of(new TokenEvent.Token(ScriptedTokens.scored(50)), new TokenEvent.Failed(failure)),
                        ScriptedTokens.script(END, bytes("cccc"))));
        ChatStream stream = Fixture.chat(engine)
                .complete(
                        Fixture.request(
                                new ChatRequest.Text("hi", true), Fixture.sampling(-1, 0, List.of()), 2, List.of()),
                        () -> {});
        List<ChatEvent> events = Fixture.drain(stream);
        assertThat(events.getLast()).isEqualTo(new ChatEvent.Failed(failure));
        assertThat(engine.played.get(1).cancelled).isTrue();
        assertThat(stream.poll()).isNull();
    }

    @Test
    void aCancelledStreamEndsAsCancelled() {
        ScriptedTokens engine = new ScriptedTokens(1, List.of(ScriptedTokens.script(END, bytes("abc"))));
        ChatStream stream = Fixture.chat(engine).complete(Fixture.request(List.of()), () -> {});
        stream.cancel();
        stream.cancel();
        assertThat(Fixture.only(Fixture.drain(stream), ChatEvent.Failed.class)
                        .failure()
                        .code())
                .isEqualTo(ErrorCode.CANCELLED);
    }

    @Test
    void theReaderIsToldOfEveryEventAndNothingIsTakenBeforeItReads() {
        ScriptedTokens engine = new ScriptedTokens(0, List.of(ScriptedTokens.script(END, bytes("abc"))));
        AtomicInteger told = new AtomicInteger();
        ChatStream stream = Fixture.chat(engine).complete(Fixture.request(List.of()), told::incrementAndGet);
        engine.played.getFirst().release(2);
        assertThat(told).hasValue(2);
        assertThat(engine.played.getFirst().poll())
                .as("still in the engine's queue")
                .isNotNull();
        assertThat(stream.poll()).isInstanceOf(ChatEvent.Started.class);
    }

    /** Whatever the text, the stops and the way tokens cut them: what is sent is the text up to the first stop. */
    @Test
    void randomTextsStopsAndChunkingsGiveTheTextUpToTheFirstStop() throws Exception {
        Random random = new Random(2026);
        String[] alphabet = {"a", "b", "ab", "🙂", "é", " ", "\n", "</s>", "好", "<|im_end|>"};
        for (int round = 0; round < 1500; round++) {
            String text = pick(random, alphabet, 12);
            List<String> stops = new ArrayList<>();
            for (int i = random.nextInt(4); i > 0; i--) {
                stops.add(pick(random, alphabet, 1 + random.nextInt(3)));
            }
            // cut into tokens at random places, inside characters too
            List<Integer> cut = new ArrayList<>();
            for (int at = 0; at < text.length(); ) {
                int to = text.offsetByCodePoints(at, 1 + random.nextInt(text.codePointCount(at, text.length())));
                String part = text.substring(at, to);
                int[] tokens =
                        random.nextBoolean() ? bytes(part) : Fixture.tiny().encodePlain(part);
                Arrays.stream(tokens).forEach(cut::add);
                at = to;
            }
            int[] tokens = cut.stream().mapToInt(Integer::intValue).toArray();
            boolean include = random.nextBoolean();
            ChatRequest request = include ? Fixture.includingStop(scored(stops, 0)) : scored(stops, 0);
            List<ChatEvent> events = run(request, ScriptedTokens.script(END, tokens));
            String want = upToTheFirst(text, stops, include);
            assertThat(text(events)).as(round + ": " + stops + " in " + text).isEqualTo(want);
            assertThat(Fixture.texts(events).stream().filter(String::isEmpty).count())
                    .as("only the end token may come without text")
                    .isLessThanOrEqualTo(1);
            ChatResult whole = whole(request, ScriptedTokens.script(END, tokens));
            ChatResult.Choice choice = whole.choices().getFirst();
            assertThat(choice.text()).isEqualTo(want);
            assertThat(choice.logprobs()).extracting(ChatEvent.TokenLogprob::id).isEqualTo(choice.ids());
            assertThat(choice.ids().stream().filter(id -> id != END).toList())
                    .as("tokens are a prefix of what was generated")
                    .isEqualTo(cut.subList(0, (int)
                            choice.ids().stream().filter(id -> id != END).count()));
            assertThat(Fixture.only(events, ChatEvent.ChoiceFinished.class).reason())
                    .isEqualTo(FinishReason.STOP);
        }
    }

    private static String pick(Random random, String[] alphabet, int parts) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < parts; i++) {
            text.append(alphabet[random.nextInt(alphabet.length)]);
        }
        return text.toString();
    }

    private static String upToTheFirst(String text, List<String> stops, boolean include) {
        for (int end = 1; end <= text.length(); end++) {
            String head = text.substring(0, end);
            Optional<String> found = stops.stream().filter(head::endsWith).max((a, b) -> a.length() - b.length());
            if (found.isPresent()) {
                return include ? head : head.substring(0, end - found.get().length());
            }
        }
        return text;
    }

    @Test
    void aWholeAnswerIsGatheredWithoutAThreadThatWaits() throws Exception {
        ScriptedTokens engine = new ScriptedTokens(0, List.of(ScriptedTokens.script(END, bytes("abc"))));
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            CompletableFuture<ChatResult> result =
                    ChatResult.of(Fixture.chat(engine), Fixture.request(List.of()), executor);
            for (int i = 0; i < 4; i++) {
                executor.submit(() -> {}).get(5, TimeUnit.SECONDS); // the one thread is free
                assertThat(result.isDone()).isFalse();
                engine.played.getFirst().release(1);
            }
            assertThat(result.get(5, TimeUnit.SECONDS).choices().getFirst().text())
                    .isEqualTo("abc");
        }
    }

    @Test
    void aCancelledOrFailedWholeAnswerTellsBothSides() {
        ScriptedTokens engine = new ScriptedTokens(1, List.of(ScriptedTokens.script(END, bytes("abc"))));
        CompletableFuture<ChatResult> result =
                ChatResult.of(Fixture.chat(engine), Fixture.request(List.of()), Runnable::run);
        result.cancel(true);
        assertThat(engine.played.getFirst().cancelled).isTrue();
        assertThat(result).isCancelled();

        ServingException failure = new ServingException(ErrorCode.REQUEST_TIMEOUT, "late");
        CompletableFuture<ChatResult> late = ChatResult.of(
                Fixture.chat(new ScriptedTokens(9, List.of(List.of(new TokenEvent.Failed(failure))))),
                Fixture.request(List.of()),
                Runnable::run);
        assertThat(late)
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableOfType(ExecutionException.class)
                .withCause(failure);
    }
}
