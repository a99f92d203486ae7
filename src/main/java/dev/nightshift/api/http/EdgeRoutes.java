package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;

/**
 * What happens to a request before and after the resources see it: its id, its time, its path as clients mangle it, bodies that
 * are too large, routes that nobody has.
 */
@ApplicationScoped
public class EdgeRoutes {
    /** Before Quarkus' own body limit (-2), which answers without a body. */
    static final int BEFORE_LIMIT = -100;

    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._:-]{1,128}");
    /** Its body goes to disk as it comes. */
    static final String UPLOAD = "/v1/adapters";

    private static final Pattern SLASHES = Pattern.compile("/{2,}");
    private static final String SEEN = EdgeRoutes.class.getName();

    /** Second names of routes. */
    private static final Map<String, String> ALIASES = Map.of(
            "/v1/tokenize", "/tokenize",
            "/v1/detokenize", "/detokenize",
            "/v1/tokenizer_info", "/tokenizer_info",
            "/q/openapi", "/openapi");

    private final Limits limits;
    private final InFlight inFlight;

    EdgeRoutes(Limits limits, InFlight inFlight) {
        this.limits = limits;
        this.inFlight = inFlight;
    }

    void mount(@Observes Router router) {
        router.route().order(BEFORE_LIMIT).handler(this::arrive);
        router.route().order(Integer.MAX_VALUE).handler(EdgeRoutes::unknown);
    }

    private void arrive(RoutingContext call) {
        if (call.get(SEEN) == null) {
            call.put(SEEN, true);
            label(call);
            inFlight.begin();
            call.addEndHandler(ended -> inFlight.end());
        }
        String path = call.request().path();
        String tidy = tidy(path);
        if (!tidy.equals(path)) {
            String query = call.request().query();
            call.reroute(query == null ? tidy : tidy + "?" + query);
            return;
        }
        boolean ownLimit = call.request().method().equals(HttpMethod.POST) && UPLOAD.equals(tidy)
                || FileRoutes.takes(call.request());
        if (!ownLimit && declaredLength(call) > limits.bodyBytes()) {
            UploadRoute.refuse(call, JsonBody.tooLarge("of " + declaredLength(call) + " bytes", limits.bodyBytes()));
            return;
        }
        if (call.request().method().equals(HttpMethod.POST) && inFlight.count() > limits.requests()) {
            write(call, crowded());
            return;
        }
        call.next();
    }

    /** Each request that is let in may hold a body and a place among the workers. */
    private ServingException crowded() {
        return new ServingException(
                        ErrorCode.QUEUE_FULL,
                        "%d requests are being answered, the limit is %d (nightshift.max-requests)"
                                .formatted(inFlight.count() - 1, limits.requests()))
                .withRetryAfter(Duration.ofSeconds(1));
    }

    /** Clients show these when they report a failure. */
    private static void label(RoutingContext call) {
        long arrived = System.nanoTime();
        String given = call.request().getHeader("x-request-id");
        String id = given != null && REQUEST_ID.matcher(given).matches() ? given : "req_" + randomHex();
        HttpServerResponse response = call.response();
        response.putHeader("x-request-id", id);
        call.addHeadersEndHandler(sent ->
                response.putHeader("openai-processing-ms", Long.toString((System.nanoTime() - arrived) / 1_000_000)));
    }

    /** An id that need not be secret. */
    private static String randomHex() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        HexFormat hex = HexFormat.of();
        return hex.toHexDigits(random.nextLong()) + hex.toHexDigits(random.nextLong());
    }

    /** The route's own name: base URLs end with a slash or not, and clients join them as they like, {@code //v1/models/}. */
    static String tidy(String path) {
        String tidy = SLASHES.matcher(path).replaceAll("/");
        tidy = tidy.length() > 1 && tidy.endsWith("/") ? tidy.substring(0, tidy.length() - 1) : tidy;
        return ALIASES.getOrDefault(tidy, tidy);
    }

    static long declaredLength(RoutingContext call) {
        String length = call.request().getHeader("Content-Length");
        try {
            return length == null ? 0 : Long.parseLong(length);
        } catch (NumberFormatException e) {
            return 0; // the HTTP codec has its own answer to that
        }
    }

    private static void unknown(RoutingContext call) {
        if (!call.response().ended()) {
            write(call, ErrorMapping.notFound(call.request()));
        }
    }

    static void write(RoutingContext call, ServingException failure) {
        if (failure.code() == ErrorCode.CONFLICT) {
            call.response().putHeader("x-should-retry", "false");
        }
        failure.retryAfter()
                .ifPresent(wait -> call.response().putHeader("Retry-After", Long.toString(wait.toSeconds())));
        call.response()
                .setStatusCode(failure.code().httpStatus())
                .putHeader("Content-Type", "application/json")
                .end(Buffer.buffer(Json.bytes(ErrorBody.of(failure))));
    }

    /**
     * What is refused before it is read.
     *
     * @param bodyBytes largest body of a request
     * @param uploadBytes largest body of one that brings an adapter
     * @param requests being answered at a time
     */
    public record Limits(long bodyBytes, long uploadBytes, int requests) {}
}
