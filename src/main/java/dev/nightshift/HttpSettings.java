package dev.nightshift;

import io.quarkus.runtime.configuration.MemorySize;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;

/** The interfaces to clients and their limits. */
@ConfigMapping(prefix = "nightshift")
public interface HttpSettings {

    /** Largest request body that is read into memory. */
    @WithDefault("32M")
    MemorySize bodyLimit();

    /** Requests being received or answered at a time, over both interfaces; more are refused with 429 before they are read. */
    @WithDefault("640")
    int maxRequests();

    /** Largest upload of an adapter, which goes to disk as it comes; {@code quarkus.http.limits.max-body-size} follows it. */
    @WithDefault("4G")
    MemorySize adapterUploadLimit();

    /** How long running requests may take to finish after SIGTERM. */
    @WithDefault("30S")
    Duration drainTimeout();

    /** Web origins that browsers may call from, regular expressions between slashes; {@code quarkus.http.cors.origins} follows it. */
    @WithDefault("/https?:\\/\\/(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?/")
    String corsOrigins();

    /** Silence after which a stream carries a comment, so that proxies keep it open. */
    @WithDefault("10S")
    Duration keepAlive();

    /** How long a client may leave a full connection unread before its request is cancelled. */
    @WithDefault("30S")
    Duration slowReader();

    /** {@code nightshift.limits.*}. */
    Limits limits();

    /** Bounds of a request's fields; more is refused with 400. */
    interface Limits {

        /** {@code n}. */
        @WithDefault("64")
        int choices();

        /** {@code best_of}, which must equal {@code n}. */
        @WithDefault("20")
        int bestOf();

        /** Prompts of one completion request. */
        @WithDefault("128")
        int prompts();

        /** {@code top_logprobs} of chat, {@code logprobs} of completions, {@code prompt_logprobs}. */
        @WithDefault("20")
        int logprobs();

        /** Stop strings, and stop ids. */
        @WithDefault("64")
        int stops();

        /** Characters of one stop string. */
        @WithDefault("1024")
        int stopLength();

        /** Entries of {@code logit_bias}. */
        @WithDefault("300")
        int logitBias();

        /** Messages of one chat. */
        @WithDefault("8192")
        int messages();
    }
}
