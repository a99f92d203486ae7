package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The Hugging Face hub as its own library is configured (huggingface_hub, {@code constants.py}).
 *
 * @param endpoint {@code HF_ENDPOINT}, default https://huggingface.co
 * @param cache {@code HF_HUB_CACHE}, default {@code HF_HOME}/hub
 * @param token {@code HF_TOKEN}, else the content of {@code HF_TOKEN_PATH} (default {@code HF_HOME}/token); never shown
 * @param offline {@code HF_HUB_OFFLINE}: only what is cached
 * @param stall {@code HF_HUB_DOWNLOAD_TIMEOUT} in seconds, default 10: a download that is silent for so long is tried again
 */
public record HubSettings(URI endpoint, Path cache, Optional<String> token, boolean offline, Duration stall) {
    private static final Duration STALL = Duration.ofSeconds(10);
    private static final Set<String> YES = Set.of("1", "on", "yes", "true");

    /** Settings from environment variables. */
    public static HubSettings of(Map<String, String> environment) {
        Path home = value(environment, "HF_HOME")
                .map(text -> path(text, environment))
                .orElseGet(() -> value(environment, "XDG_CACHE_HOME")
                        .map(text -> path(text, environment))
                        .orElseGet(() -> userHome(environment).resolve(".cache"))
                        .resolve("huggingface"));
        String endpoint = value(environment, "HF_ENDPOINT").orElse("https://huggingface.co");
        Path cache = value(environment, "HF_HUB_CACHE")
                .or(() -> value(environment, "HUGGINGFACE_HUB_CACHE"))
                .map(text -> path(text, environment))
                .orElse(home.resolve("hub"));
        Path tokenFile = value(environment, "HF_TOKEN_PATH")
                .map(text -> path(text, environment))
                .orElse(home.resolve("token"));
        Optional<String> token = value(environment, "HF_TOKEN")
                .or(() -> value(environment, "HUGGING_FACE_HUB_TOKEN"))
                .or(() -> read(tokenFile));
        boolean offline = value(environment, "HF_HUB_OFFLINE")
                .or(() -> value(environment, "TRANSFORMERS_OFFLINE"))
                .map(text -> YES.contains(text.toLowerCase(Locale.ROOT)))
                .orElse(false);
        Duration stall = value(environment, "HF_HUB_DOWNLOAD_TIMEOUT")
                .map(HubSettings::seconds)
                .orElse(STALL);
        return new HubSettings(URI.create(endpoint.replaceAll("/+$", "")), cache, token, offline, stall);
    }

    private static Duration seconds(String text) {
        if (!text.matches("[1-9][0-9]{0,8}")) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "HF_HUB_DOWNLOAD_TIMEOUT is '%s', whole seconds expected".formatted(text));
        }
        return Duration.ofSeconds(Long.parseLong(text));
    }

    private static Path path(String text, Map<String, String> environment) {
        return text.startsWith("~/") ? userHome(environment).resolve(text.substring(2)) : Path.of(text);
    }

    private static Path userHome(Map<String, String> environment) {
        return Path.of(value(environment, "HOME").orElse(System.getProperty("user.home")));
    }

    private static Optional<String> value(Map<String, String> environment, String name) {
        return Optional.ofNullable(environment.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }

    private static Optional<String> read(Path file) {
        try {
            return Files.isReadable(file)
                    ? Optional.of(Files.readString(file).strip()).filter(text -> !text.isEmpty())
                    : Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException("token file %s can't be read".formatted(file), e);
        }
    }

    @Override
    public String toString() {
        return "HubSettings[endpoint=%s, cache=%s, token=%s, offline=%s]"
                .formatted(endpoint, cache, token.isPresent() ? "***" : "none", offline);
    }
}
