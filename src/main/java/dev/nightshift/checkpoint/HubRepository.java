package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * A model repository at a revision, as a folder of the local cache that has every file we need and no other: configuration,
 * tokenizer, templates, safetensors. Other formats and duplicates of the weights (consolidated, original, .bin, .gguf) are left.
 */
final class HubRepository {
    private static final Set<String> SMALL_FILES = Set.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja");
    private static final Pattern NAMED_TEMPLATE = Pattern.compile("additional_chat_templates/[\\w-][\\w.-]*\\.jinja");
    private static final Pattern SHARD = Pattern.compile("[\\w-][\\w.-]*\\.safetensors");

    private final HubSettings settings;
    private final HubCache cache;
    private final String id;
    private final String revision;

    HubRepository(HubSettings settings, String id, String revision) {
        if (revision.contains("..") || revision.startsWith("/")) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "revision '%s' is no revision".formatted(revision));
        }
        this.settings = settings;
        this.cache = new HubCache(settings.cache(), id);
        this.id = id;
        this.revision = revision;
    }

    /** The folder with the model, downloaded as far as it isn't there. */
    Path snapshot(LoadProgress progress) {
        Optional<Path> cached = cache.commit(revision).map(cache::snapshot).filter(this::isComplete);
        if (settings.offline()) {
            return cached.orElseThrow(() -> notCached("HF_HUB_OFFLINE is set"));
        }
        if (cached.isPresent() && HubCache.isCommit(revision)) {
            return cached.get();
        }
        try (HubClient client = new HubClient(settings, id)) {
            HubClient.Revision found;
            try {
                found = client.revision(revision);
            } catch (IOException e) {
                return cached.orElseThrow(
                        () -> notCached("%s can't be reached (%s)".formatted(settings.endpoint(), reason(e))));
            }
            download(client, found, progress);
            remember(found.commit());
            return cache.snapshot(found.commit());
        }
    }

    private void download(HubClient client, HubClient.Revision found, LoadProgress progress) {
        HubDownload download = new HubDownload(client, cache, settings.stall(), progress);
        Set<String> files = new TreeSet<>(found.files());
        for (String file : files) {
            if (SMALL_FILES.contains(file) || NAMED_TEMPLATE.matcher(file).matches()) {
                fetch(download, found.commit(), file);
            }
        }
        if (files.contains(TensorFiles.SINGLE)) {
            fetch(download, found.commit(), TensorFiles.SINGLE);
            return;
        }
        if (!files.contains(TensorFiles.INDEX)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "%s has neither %s nor %s; other formats are not supported"
                            .formatted(id, TensorFiles.SINGLE, TensorFiles.INDEX));
        }
        fetch(download, found.commit(), TensorFiles.INDEX);
        for (String shard : shards(cache.snapshot(found.commit()))) {
            fetch(download, found.commit(), shard);
        }
    }

    private void fetch(HubDownload download, String commit, String file) {
        if (!Files.exists(cache.snapshot(commit).resolve(file))) {
            download.fetch(commit, file);
        }
    }

    private void remember(String commit) {
        try {
            cache.remember(revision, commit);
        } catch (IOException e) {
            throw cache.failure("revision %s of %s can't be noted".formatted(revision, id), e);
        }
    }

    private List<String> shards(Path snapshot) {
        FolderFiles folder = new FolderFiles(snapshot);
        TreeSet<String> shards = new TreeSet<>();
        Json.object(TensorFiles.INDEX, folder.read(TensorFiles.INDEX).orElseThrow())
                .path("weight_map")
                .forEach(shard -> shards.add(shard.asText()));
        for (String shard : shards) {
            if (!SHARD.matcher(shard).matches()) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "%s of %s names the file '%s'".formatted(TensorFiles.INDEX, id, shard));
            }
        }
        return List.copyOf(shards);
    }

    private boolean isComplete(Path snapshot) {
        if (!Files.exists(snapshot.resolve("config.json")) || !Files.exists(snapshot.resolve("tokenizer.json"))) {
            return false;
        }
        return Files.exists(snapshot.resolve(TensorFiles.SINGLE))
                || (Files.exists(snapshot.resolve(TensorFiles.INDEX))
                        && shards(snapshot).stream().allMatch(shard -> Files.exists(snapshot.resolve(shard))));
    }

    private ServingException notCached(String why) {
        return new ServingException(
                ErrorCode.UNAVAILABLE,
                "%s and model %s, revision %s, is not complete in the cache %s"
                        .formatted(why, id, revision, settings.cache()));
    }

    private static String reason(IOException e) {
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }
}
