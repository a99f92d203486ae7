package dev.nightshift.failure;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/** What the world does wrong: bad input, no room, a broken file. The message names the value and the limit. */
public final class ServingException extends RuntimeException {
    private final ErrorCode code;
    private final String param;
    private final Duration retryAfter;

    public ServingException(ErrorCode code, String message) {
        this(code, message, null, null, null);
    }

    public ServingException(ErrorCode code, String message, Throwable cause) {
        this(code, message, null, null, cause);
    }

    private ServingException(ErrorCode code, String message, String param, Duration retryAfter, Throwable cause) {
        super(message, cause);
        this.code = Objects.requireNonNull(code, "code is null");
        this.param = param;
        this.retryAfter = retryAfter;
    }

    /** A 400 that names the request field which is wrong. */
    public static ServingException invalid(String param, String message) {
        return new ServingException(ErrorCode.INVALID_REQUEST, message, param, null, null);
    }

    /** The same failure, naming a request field. */
    public ServingException withParam(String field) {
        return new ServingException(code, getMessage(), field, retryAfter, getCause());
    }

    /** The same failure, saying when a new try makes sense. */
    public ServingException withRetryAfter(Duration wait) {
        return new ServingException(code, getMessage(), param, wait, getCause());
    }

    public ErrorCode code() {
        return code;
    }

    /** The request field that is wrong, if one is. */
    public Optional<String> param() {
        return Optional.ofNullable(param);
    }

    /** How long to wait before a new try makes sense. */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }
}
