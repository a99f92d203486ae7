package dev.nightshift.api.grpc;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.quarkus.grpc.GlobalInterceptor;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * The deadline that a client sent, for a client that does not hang up when it passes. Form of the header: gRPC over HTTP/2,
 * section Requests: up to eight digits and a unit.
 */
@ApplicationScoped
@GlobalInterceptor
public class CallDeadline implements ServerInterceptor {
    private static final Metadata.Key<String> TIMEOUT =
            Metadata.Key.of("grpc-timeout", Metadata.ASCII_STRING_MARSHALLER);
    private static final Context.Key<Instant> DEADLINE = Context.key("nightshift-deadline");

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        Optional<Duration> timeout = parse(headers.get(TIMEOUT));
        if (timeout.isEmpty()) {
            return next.startCall(call, headers);
        }
        Context context = Context.current().withValue(DEADLINE, Instant.now().plus(timeout.get()));
        return Contexts.interceptCall(context, call, headers, next);
    }

    /** Of the call that the current thread answers. */
    static Optional<Instant> current() {
        return Optional.ofNullable(DEADLINE.get());
    }

    /** Empty for a header that is absent or has another form. */
    static Optional<Duration> parse(String header) {
        if (header == null || !header.matches("[0-9]{1,8}[HMSmun]")) {
            return Optional.empty();
        }
        long amount = Long.parseLong(header, 0, header.length() - 1, 10);
        return switch (header.charAt(header.length() - 1)) {
            case 'H' -> Optional.of(Duration.ofHours(amount));
            case 'M' -> Optional.of(Duration.ofMinutes(amount));
            case 'S' -> Optional.of(Duration.ofSeconds(amount));
            case 'm' -> Optional.of(Duration.ofMillis(amount));
            case 'u' -> Optional.of(Duration.ofNanos(1000 * amount));
            default -> Optional.of(Duration.ofNanos(amount));
        };
    }
}
