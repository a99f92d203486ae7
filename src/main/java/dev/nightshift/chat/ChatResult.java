package dev.nightshift.chat;

import dev.nightshift.chat.ChatEvent.TokenLogprob;
import dev.nightshift.engine.FinishReason;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;

/** A whole answer. It is gathered from the same events as a stream's, so both have the same text. */
public record ChatResult(List<Choice> choices, int promptTokens, int completionTokens, int cachedPromptTokens) {
    public ChatResult {
        choices = List.copyOf(choices);
    }

    /**
     * @param promptLogprobs empty if not asked for
     * @param stopReason as {@link ChatEvent.ChoiceFinished} has it
     */
    public record Choice(
            String text,
            List<Integer> ids,
            List<TokenLogprob> logprobs,
            List<TokenLogprob> promptLogprobs,
            FinishReason reason,
            Object stopReason,
            int completionTokens) {
        public Choice {
            ids = List.copyOf(ids);
            logprobs = List.copyOf(logprobs);
            promptLogprobs = List.copyOf(promptLogprobs);
        }
    }

    /**
     * Runs a request to its end. Events are read on the executor's threads, one at a time; none waits. Cancelling the future
     * cancels the request. What {@link Chat#complete} refuses is thrown here.
     */
    public static CompletableFuture<ChatResult> of(Chat chat, ChatRequest request, Executor executor) {
        Gathering gathering = new Gathering(request.n(), executor);
        gathering.begin(chat.complete(request, gathering::signal));
        return gathering.result;
    }

    private static final class Gathering {
        private final Executor executor;
        private final CompletableFuture<ChatResult> result = new CompletableFuture<>();
        private final AtomicInteger signals = new AtomicInteger();
        private volatile ChatStream stream;

        // ---- one executor thread at a time
        private final List<Part> parts = new ArrayList<>();

        Gathering(int choices, Executor executor) {
            this.executor = executor;
            for (int i = 0; i < choices; i++) {
                parts.add(new Part());
            }
        }

        void begin(ChatStream begun) {
            stream = begun;
            result.whenComplete((done, failure) -> {
                if (failure != null) {
                    begun.cancel();
                }
            });
            signal();
        }

        /** Counts, so that one thread reads and no signal is lost. */
        void signal() {
            if (stream != null && signals.getAndIncrement() == 0) {
                executor.execute(this::read);
            }
        }

        private void read() {
            int seen;
            do {
                seen = signals.get();
                try {
                    for (ChatEvent event = stream.poll(); event != null; event = stream.poll()) {
                        take(event);
                    }
                } catch (RuntimeException e) {
                    result.completeExceptionally(e);
                    return;
                }
            } while (!signals.compareAndSet(seen, 0));
        }

        private void take(ChatEvent event) {
            switch (event) {
                case ChatEvent.Started started -> {}
                case ChatEvent.PromptScored scored -> parts.get(scored.choice()).promptLogprobs = scored.tokens();
                case ChatEvent.Text text -> parts.get(text.choice()).add(text);
                case ChatEvent.ChoiceFinished finished -> parts.get(finished.choice()).end = finished;
                case ChatEvent.Completed completed ->
                    result.complete(new ChatResult(
                            parts.stream().map(Part::choice).toList(),
                            completed.promptTokens(),
                            completed.completionTokens(),
                            completed.cachedPromptTokens()));
                case ChatEvent.Failed failed -> result.completeExceptionally(failed.failure());
            }
        }
    }

    private static final class Part {
        private final StringBuilder text = new StringBuilder();
        private final List<Integer> ids = new ArrayList<>();
        private final List<TokenLogprob> logprobs = new ArrayList<>();
        private List<TokenLogprob> promptLogprobs = List.of();
        private ChatEvent.ChoiceFinished end;

        void add(ChatEvent.Text more) {
            text.append(more.text());
            ids.addAll(more.ids());
            logprobs.addAll(more.logprobs());
        }

        Choice choice() {
            return new Choice(
                    text.toString(),
                    ids,
                    logprobs,
                    promptLogprobs,
                    end.reason(),
                    end.stopReason(),
                    end.completionTokens());
        }
    }
}
