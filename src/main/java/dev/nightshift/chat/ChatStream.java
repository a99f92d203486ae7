package dev.nightshift.chat;

import dev.nightshift.chat.ChatEvent.TokenLogprob;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * A running request as its one reader sees it. Tokens become text in {@link #poll}, on the reader's thread; what the reader
 * does not take stays in the engine's bounded queues, and a sequence whose queue is full pauses. No thread waits anywhere.
 */
public final class ChatStream {
    private final ChatRequest request;
    private final int[] promptIds;
    private final Tokenizer tokenizer;
    private final TokenSource.Tokens[] sequences;

    // ---- reader only
    private final ChoiceText[] choices;
    private final boolean[] ended;
    private final Queue<ChatEvent> ready = new ArrayDeque<>();
    private int running;
    private int turn;
    private int cachedTokens = Integer.MAX_VALUE;
    private boolean over;

    ChatStream(
            ChatRequest request, int[] promptIds, Tokenizer tokenizer, List<? extends TokenSource.Tokens> sequences) {
        this.request = request;
        this.promptIds = promptIds;
        this.tokenizer = tokenizer;
        this.sequences = sequences.toArray(TokenSource.Tokens[]::new);
        running = this.sequences.length;
        choices = new ChoiceText[running];
        for (int i = 0; i < running; i++) {
            choices[i] = new ChoiceText(i, request, tokenizer);
        }
        ended = new boolean[running];
        ready.add(new ChatEvent.Started(promptIds.length));
    }

    /** The prompt as the model sees it. */
    public int[] promptIds() {
        return promptIds.clone();
    }

    /**
     * The next event, or null if there is none yet; the callback that the request was made with is called when there may be
     * one again. After {@link ChatEvent.Completed} or {@link ChatEvent.Failed} there are no more. One reader at a time.
     */
    public ChatEvent poll() {
        while (ready.isEmpty() && !over) {
            if (!readOne()) {
                return null;
            }
        }
        return ready.poll();
    }

    /** Ends every choice before the engine's next step; the stream then ends with CANCELLED. Any thread, any time. */
    public void cancel() {
        for (TokenSource.Tokens sequence : sequences) {
            sequence.cancel();
        }
    }

    /** Takes one event of the engine, from each sequence in its turn. */
    private boolean readOne() {
        for (int k = 0; k < sequences.length; k++) {
            int choice = (turn + k) % sequences.length;
            TokenEvent event = ended[choice] ? null : sequences[choice].poll();
            if (event != null) {
                turn = (choice + 1) % sequences.length;
                take(choice, event);
                return true;
            }
        }
        return false;
    }

    private void take(int choice, TokenEvent event) {
        ChoiceText text = choices[choice];
        switch (event) {
            case TokenEvent.PromptScores scores ->
                ready.add(new ChatEvent.PromptScored(choice, promptLogprobs(scores.tokens())));
            case TokenEvent.Token token -> {
                if (!text.complete()) {
                    text.token(token.scored(), ready::add);
                    if (text.complete()) {
                        sequences[choice].cancel();
                    }
                }
            }
            case TokenEvent.Finished finished -> {
                if (!text.complete()) {
                    if (finished.reason() == FinishReason.CANCELLED) {
                        fail(new ServingException(ErrorCode.CANCELLED, "the request was cancelled"));
                        return;
                    }
                    text.finished(finished, ready::add);
                }
                cachedTokens = Math.min(cachedTokens, Math.max(finished.cachedPromptTokens(), 0));
                end(choice);
            }
            case TokenEvent.Failed failed -> {
                if (text.complete()) {
                    end(choice); // its stop string came first
                } else {
                    fail(failed.failure());
                }
            }
        }
    }

    private void end(int choice) {
        ended[choice] = true;
        if (--running == 0) {
            over = true;
            int completionTokens = 0;
            for (ChoiceText each : choices) {
                completionTokens += each.generated();
            }
            // no sequence ended normally where each one failed after its stop string
            int cached = cachedTokens == Integer.MAX_VALUE ? 0 : cachedTokens;
            ready.add(new ChatEvent.Completed(promptIds.length, completionTokens, cached));
        }
    }

    private void fail(ServingException failure) {
        over = true;
        cancel();
        ready.add(new ChatEvent.Failed(failure));
    }

    private List<TokenLogprob> promptLogprobs(List<TokenEvent.Scored> scored) {
        List<TokenLogprob> logprobs = new ArrayList<>(promptIds.length);
        logprobs.add(ChoiceText.logprob(tokenizer, promptIds[0], Float.NaN, List.of()));
        for (TokenEvent.Scored each : scored) {
            logprobs.add(ChoiceText.logprob(tokenizer, each));
        }
        return logprobs;
    }
}
