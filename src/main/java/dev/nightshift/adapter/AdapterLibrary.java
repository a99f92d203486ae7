package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.checkpoint.PeftConfig;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;

/** What goes into and out of a registry: uploads, downloads, adapters computed from others, merged models. Thread-safe. */
public final class AdapterLibrary implements AutoCloseable {
    /** Adapters of one sum; ranks limit it long before. */
    private static final int PARTS_MAX = 16;

    private static final int PIECE_BYTES = 1 << 16;

    private final AdapterRegistry registry;
    private final AdapterBase base;
    private final UploadLimits limits;
    private final MergedExports exports;

    /** @param exports folder for merged models */
    public AdapterLibrary(AdapterRegistry registry, AdapterBase base, UploadLimits limits, Path exports) {
        this.registry = Objects.requireNonNull(registry, "registry is null");
        this.base = Objects.requireNonNull(base, "base is null");
        this.limits = Objects.requireNonNull(limits, "limits is null");
        this.exports = new MergedExports(exports, base, registry);
    }

    public AdapterRegistry registry() {
        return registry;
    }

    /** The base model's name. */
    public String baseName() {
        return base.name();
    }

    /** What a name means now; MODEL_NOT_FOUND names what there is. */
    public AdapterView view(String id) {
        return registry.find(id).orElseThrow(() -> unknown(id));
    }

    private ServingException unknown(String id) {
        List<String> names =
                registry.list().stream().map(AdapterView::id).limit(20).toList();
        return new ServingException(
                ErrorCode.MODEL_NOT_FOUND,
                "adapter '%s' does not exist; there is %s"
                        .formatted(
                                id.length() > 200 ? id.substring(0, 200) + "..." : id,
                                names.isEmpty() ? "none" : String.join(", ", names)));
    }

    // ---- in

    /** Throws INVALID_REQUEST for what can be no adapter's name. */
    public static void checkName(String name) {
        AdapterFolders.checkedName(name);
    }

    /** Publishes the PEFT folder in a {@code .tar} or {@code .zip} as the next version of {@code name}. */
    public AdapterVersion upload(String name, InputStream archive) {
        AdapterFolders.checkedName(name);
        Path spool = registry.stage();
        try {
            Path file = spool.resolve("archive");
            copy(archive, file, 0);
            return uploadArchive(name, file);
        } catch (IOException e) {
            throw unreadable(e);
        } finally {
            registry.discard(spool);
        }
    }

    /** The same from a file, which stays. */
    public AdapterVersion uploadArchive(String name, Path archive) {
        AdapterFolders.checkedName(name);
        Path staged = registry.stage();
        try {
            AdapterArchive.unpack(archive, staged, limits);
            return publish(name, staged);
        } catch (IOException e) {
            throw unreadable(e);
        } finally {
            registry.discard(staged);
        }
    }

    private static ServingException unreadable(IOException cause) {
        return new ServingException(
                ErrorCode.INVALID_REQUEST, "adapter: the archive can't be read: " + cause.getMessage(), cause);
    }

    /** Publishes PEFT's two files; they are copied. */
    public AdapterVersion upload(String name, Path config, Path weights) {
        AdapterFolders.checkedName(name);
        Path staged = registry.stage();
        try {
            long bytes;
            try (InputStream in = Files.newInputStream(config)) {
                bytes = copy(in, staged.resolve(PeftFolder.CONFIG), 0);
            }
            try (InputStream in = Files.newInputStream(weights)) {
                copy(in, staged.resolve(PeftFolder.WEIGHTS), bytes);
            }
            return publish(name, staged);
        } catch (IOException e) {
            throw AdapterFolders.failed("the upload can't be kept", e);
        } finally {
            registry.discard(staged);
        }
    }

    /** @param before bytes of the same upload that were copied already; the new sum is returned */
    private long copy(InputStream in, Path file, long before) throws IOException {
        byte[] piece = new byte[PIECE_BYTES];
        long bytes = before;
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                bytes += count;
                if (bytes > limits.bytesMax()) {
                    throw new ServingException(
                            ErrorCode.PAYLOAD_TOO_LARGE,
                            "the upload has more than %d bytes, reached in %s (nightshift.adapter-upload-limit)"
                                    .formatted(limits.bytesMax(), file.getFileName()));
                }
                out.write(piece, 0, count);
            }
        }
        return bytes;
    }

    /** A record that came with the files must be true of them; what it says about their making is kept. */
    private AdapterVersion publish(String name, Path staged) throws IOException {
        Optional<AdapterRecord> record = AdapterRecord.read(staged);
        if (record.isPresent()) {
            String digest = PeftAdapter.digest(staged);
            if (!digest.equals(record.get().digest())) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "adapter: its files have the digest %s, %s says %s"
                                .formatted(
                                        digest, AdapterRecord.FILE, record.get().digest()));
            }
            String wanted = record.get().origin().baseDigest();
            if (!wanted.isEmpty() && !wanted.equals(base.digest())) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "adapter: it was made for the base model %s (%s), this is %s (%s)"
                                .formatted(record.get().origin().base(), wanted, base.name(), base.digest()));
            }
            Files.delete(staged.resolve(AdapterRecord.FILE));
        }
        AdapterOrigin origin = record.map(AdapterRecord::origin).orElseGet(() -> made("uploaded"));
        return registry.publish(staged, name, origin);
    }

    private static AdapterOrigin made(String data) {
        return new AdapterOrigin("", "", "", Instant.now(), data, Map.of());
    }

    // ---- out

    /** The version that an id means, as PEFT files with a model card; to be closed. */
    public FolderDownload download(String id) {
        AdapterVersion version = view(id).version();
        List<String> files = new ArrayList<>(List.of(PeftFolder.CONFIG, PeftFolder.WEIGHTS));
        if (!version.foreign()) {
            files.add(AdapterRecord.FILE);
        }
        return new FolderDownload(
                version.name() + "-" + version.number(),
                version.origin().created(),
                Map.of("README.md", ModelCard.adapter(version, base)),
                registry.folder(version.id()),
                files);
    }

    // ---- merged models

    /**
     * Begins to write the base in 16 bits with an adapter in its weights.
     *
     * @param name of the export; absent: of base, version and source. CONFLICT if it is taken
     */
    public Export export(String id, MergeSource source, Optional<String> name) {
        return exports.start(view(id).version(), source, name).export();
    }

    /** The same, and ends when it is whole, or with the reason why it is not. */
    public CompletableFuture<Export> merge(String id, MergeSource source, Optional<String> name) {
        return exports.start(view(id).version(), source, name).end();
    }

    /** Queued, running, whole and failed ones; {@code after} is the name before the first one. */
    public ExportPage exports(Optional<String> after, int limit, boolean newestFirst) {
        return exports.list(after, limit, newestFirst);
    }

    /** One export; NOT_FOUND if there is none of that name. */
    public Export getExport(String name) {
        return exports.get(name);
    }

    /** The folder of a merged model; to be closed. CONFLICT if it is not whole. */
    public FolderDownload downloadExport(String name) {
        return exports.download(name);
    }

    /** Ends one that is queued or running, and deletes what there is of it. */
    public void deleteExport(String name) {
        exports.delete(name);
    }

    /** Ends what is being written. */
    @Override
    public void close() {
        exports.close();
    }

    // ---- computed

    /** A name, alias or version, and its weight in a sum. */
    public record Part(String id, double weight) {}

    /**
     * What was published.
     *
     * @param relativeError Frobenius norm of what a reduction lost over that of what was there, of all modules together
     */
    public record Computed(AdapterVersion version, double relativeError) {}

    /** Publishes a weighted sum as the next version of {@code name}, reduced to a rank if one is given. */
    public Computed compose(String name, List<Part> parts, OptionalInt rank) {
        if (parts.isEmpty() || parts.size() > PARTS_MAX) {
            throw ServingException.invalid("parts", "parts: %d adapters, 1 to %d".formatted(parts.size(), PARTS_MAX));
        }
        rank.ifPresent(AdapterLibrary::checkRank);
        List<AdapterVersion> versions =
                parts.stream().map(part -> view(part.id()).version()).toList();
        StringBuilder data = new StringBuilder("weighted sum of ");
        for (int i = 0; i < parts.size(); i++) {
            data.append(i == 0 ? "" : " + ")
                    .append(parts.get(i).weight())
                    .append(" ")
                    .append(described(versions.get(i)));
        }
        rank.ifPresent(value -> data.append(", rank at most ").append(value));
        return compute(name, versions, parts.stream().map(Part::weight).toList(), rank, data.toString());
    }

    /** Publishes the nearest adapter of a lower rank as the next version of {@code name}. */
    public Computed reduce(String id, int rank, String name) {
        checkRank(rank);
        AdapterVersion version = view(id).version();
        String data = "%s reduced to rank %d".formatted(described(version), rank);
        return compute(name, List.of(version), List.of(1.0), OptionalInt.of(rank), data);
    }

    private static void checkRank(int rank) {
        if (rank < 1 || rank > PeftConfig.RANK_MAX) {
            throw ServingException.invalid("rank", "rank: %d, 1 to %d".formatted(rank, PeftConfig.RANK_MAX));
        }
    }

    private static String described(AdapterVersion version) {
        String data = version.origin().data();
        return version.id() + (data.isEmpty() ? "" : " (" + data + ")");
    }

    private Computed compute(
            String name, List<AdapterVersion> versions, List<Double> weights, OptionalInt rank, String data) {
        AdapterFolders.checkedName(name);
        Path staged = registry.stage();
        try (Arena arena = Arena.ofShared()) {
            List<AdapterComposition.Part> parts = new ArrayList<>();
            for (int i = 0; i < versions.size(); i++) {
                parts.add(part(versions.get(i).id(), weights.get(i), arena));
            }
            AdapterComposition.Result result =
                    AdapterComposition.sum(parts, rank, base.checkpoint().config(), arena);
            ComposedFolder.write(
                    staged, result.weights(), base.name(), base.checkpoint().config());
            return new Computed(registry.publish(staged, name, made(data)), result.relativeError());
        } catch (IOException e) {
            throw AdapterFolders.failed("the computed adapter can't be kept", e);
        } finally {
            registry.discard(staged);
        }
    }

    /** Read from its files, after all the checks that serving it has. */
    private AdapterComposition.Part part(String id, double weight, Arena arena) {
        try (AdapterLease lease = registry.acquire(id)) {
            Path folder = registry.folder(lease.versionId());
            return new AdapterComposition.Part(
                    id, PeftFolder.read(folder, base.checkpoint().config(), arena), weight);
        }
    }
}
