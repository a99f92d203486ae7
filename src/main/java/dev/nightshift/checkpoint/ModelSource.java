package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where a model comes from: the value of {@code nightshift.model}. */
public sealed interface ModelSource {

    /** The model inside the application. */
    record Embedded() implements ModelSource {}

    /** A folder as transformers saves it. */
    record Folder(Path path) implements ModelSource {}

    /**
     * A repository of the Hugging Face hub.
     *
     * @param id {@code org/name}
     * @param revision branch, tag or commit
     */
    record Hub(String id, String revision) implements ModelSource {}

    /** A shape with weights drawn at load, for benchmarks. */
    record Random(RandomShape shape, long seed) implements ModelSource {}

    Pattern HUB_ID = Pattern.compile("([A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*)(?:@([\\w./-]+))?");
    String RANDOM = "random:";
    String MAIN = "main";

    /** Id under which the model is served unless a setting names another. */
    default String modelId() {
        return switch (this) {
            case Embedded _ -> EmbeddedFiles.NAME;
            case Folder folder -> {
                Path name = folder.path().toAbsolutePath().normalize().getFileName();
                yield name == null ? "model" : name.toString();
            }
            case Hub hub -> hub.id();
            case Random random -> RANDOM + random.shape().id() + (random.seed() == 0 ? "" : ":" + random.seed());
        };
    }

    /**
     * {@code random:<shape>} or {@code random:<shape>:<seed>}, a folder that exists, or a hub id {@code org/name} or
     * {@code org/name@revision}; without a setting the embedded model.
     */
    static ModelSource parse(Optional<String> setting) {
        String text = setting.map(String::strip).orElse("");
        if (text.isEmpty() || (text.equals(EmbeddedFiles.NAME) && !Files.exists(Path.of(text)))) {
            return new Embedded();
        }
        if (text.startsWith(RANDOM)) {
            return random(text);
        }
        Path folder = Path.of(text.startsWith("~/") ? System.getProperty("user.home") + text.substring(1) : text);
        if (Files.isDirectory(folder)) {
            return new Folder(folder);
        }
        Matcher hub = HUB_ID.matcher(text);
        if (hub.matches()) {
            return new Hub(hub.group(1), Optional.ofNullable(hub.group(2)).orElse(MAIN));
        }
        throw new ServingException(
                ErrorCode.INVALID_REQUEST,
                "model '%s' is no folder, no hub id (org/name or org/name@revision) and no random:<shape>"
                        .formatted(text));
    }

    private static Random random(String text) {
        String[] parts = text.substring(RANDOM.length()).split(":", -1);
        RandomShape shape = RandomShape.named(parts[0]);
        if (parts.length > 2) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "model '%s': random:<shape>:<seed> expected".formatted(text));
        }
        try {
            return new Random(shape, parts.length == 2 ? Long.parseLong(parts[1]) : 0);
        } catch (NumberFormatException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "model '%s': seed '%s' is no integer".formatted(text, parts[1]), e);
        }
    }
}
