package dev.nightshift.chat;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The chat of the resident model, which loads while the server is up already, and which a stopping server takes away again.
 * Interfaces to clients ask with each request. Thread-safe.
 */
public final class ServedChat {
    private volatile State state = new Loading("the model is loading");

    private sealed interface State {}

    private record Loading(String what) implements State {}

    private record Ready(Chat chat, Supplier<Optional<String>> trouble) implements State {}

    private record Draining() implements State {}

    private record Dead(String reason) implements State {}

    /** The chat; throws UNAVAILABLE while it loads, while the server stops, and after a fatal error, saying which. */
    public Chat get() {
        return switch (state) {
            case Ready ready -> ready.chat();
            case Loading(String what) -> throw unavailable(what).withRetryAfter(Duration.ofSeconds(2));
            case Draining() -> throw unavailable("the server is stopping").withRetryAfter(Duration.ofSeconds(5));
            case Dead(String reason) -> throw unavailable(reason);
        };
    }

    private static ServingException unavailable(String reason) {
        return new ServingException(ErrorCode.UNAVAILABLE, reason);
    }

    /** Why requests are not answered now; empty = they are. */
    public Optional<String> notReady() {
        return switch (state) {
            case Ready ready -> ready.trouble().get();
            case Loading(String what) -> Optional.of(what);
            case Draining() -> Optional.of("the server is stopping");
            case Dead(String reason) -> Optional.of(reason);
        };
    }

    /** Why requests will never be answered again without a restart; empty = they may be. */
    public Optional<String> dead() {
        return state instanceof Dead(String reason) ? Optional.of(reason) : Optional.empty();
    }

    /**
     * The model is loaded, or another one takes its place. A server that stops or has failed stays so.
     *
     * @param trouble why the engine gets nowhere although it has not failed; empty = it does
     */
    public synchronized void ready(Chat chat, Supplier<Optional<String>> trouble) {
        Objects.requireNonNull(chat, "chat is null");
        Objects.requireNonNull(trouble, "trouble is null");
        if (state instanceof Loading || state instanceof Ready) {
            state = new Ready(chat, trouble);
        }
    }

    /** How far loading is, for those who ask meanwhile. */
    public synchronized void loading(String what) {
        if (state instanceof Loading) {
            state = new Loading(what);
        }
    }

    /** No new requests; those that run go on. */
    public synchronized void drain() {
        if (!(state instanceof Dead)) {
            state = new Draining();
        }
    }

    /** The first reason stays. */
    public synchronized void failed(String reason) {
        if (!(state instanceof Dead)) {
            state = new Dead(reason);
        }
    }
}
