package dev.nightshift.checkpoint;

import dev.nightshift.model.ModelConfig;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Identity of a base model: SHA-256 over its configuration and all tensors. Every byte counts, in pieces of 16 MiB whose
 * hashes are hashed in turn, so that all cores work; the split into files doesn't matter. Digests of large files are kept in a
 * cache folder under the files' paths, sizes and times.
 */
final class ModelDigest {
    private static final long PIECE_BYTES = 16L << 20;
    /** Below this hashing takes less than half a second. */
    private static final long CACHED_FROM_BYTES = 512L << 20;

    private ModelDigest() {}

    static String compute(ModelConfig config, TensorFiles tensors, Optional<String> fingerprint, Path cache) {
        long bytes = tensors.all().values().stream()
                .mapToLong(tensor -> tensor.data().byteSize())
                .sum();
        Optional<Path> file = bytes < CACHED_FROM_BYTES
                ? Optional.empty()
                : fingerprint.map(text -> cache.resolve("digests").resolve(hex(sha256().digest(utf8(text)))));
        Optional<String> known = file.flatMap(ModelDigest::read);
        if (known.isPresent()) {
            return known.get();
        }
        String digest = compute(config, tensors.all());
        file.ifPresent(path -> write(path, digest));
        return digest;
    }

    static String compute(ModelConfig config, Map<String, StoredTensor> tensors) {
        MessageDigest root = sha256();
        root.update(utf8(canonical(config)));
        for (StoredTensor tensor : tensors.values()) {
            root.update(utf8("%n%s %s %s ".formatted(tensor.name(), tensor.type(), tensor.shape())));
            MemorySegment data = tensor.data();
            int pieces = Math.toIntExact((data.byteSize() + PIECE_BYTES - 1) / PIECE_BYTES);
            List<byte[]> hashes = IntStream.range(0, pieces)
                    .parallel()
                    .mapToObj(piece -> hash(data, piece))
                    .toList();
            hashes.forEach(root::update);
        }
        return hex(root.digest());
    }

    /** Of a model that is drawn, not stored. */
    static String of(ModelConfig config, String id) {
        return hex(sha256().digest(utf8(canonical(config) + "\n" + id)));
    }

    private static byte[] hash(MemorySegment data, int piece) {
        long begin = piece * PIECE_BYTES;
        MessageDigest digest = sha256();
        digest.update(data.asSlice(begin, Math.min(PIECE_BYTES, data.byteSize() - begin))
                .asByteBuffer());
        return digest.digest();
    }

    /** Names every part, so that a new one in the record doesn't change the identity of models that lack it. */
    private static String canonical(ModelConfig c) {
        return String.join(
                " ",
                "nightshift-base-1",
                c.modelType(),
                "vocab=" + c.vocabSize(),
                "hidden=" + c.hiddenSize(),
                "inner=" + c.intermediateSize(),
                "layers=" + c.layers(),
                "heads=" + c.heads(),
                "kv=" + c.kvHeads(),
                "headDim=" + c.headDim(),
                "epsilon=" + c.rmsNormEpsilon(),
                "theta=" + c.rope().theta(),
                "scaling=" + c.rope().scaling(),
                "window=" + c.slidingWindow().orElse(0) + "@" + c.firstWindowLayer(),
                "tied=" + c.tiedEmbeddings());
    }

    private static Optional<String> read(Path file) {
        try {
            return Optional.of(Files.readString(file).strip()).filter(text -> text.matches("[0-9a-f]{64}"));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** The cache saves time only: where it can't be written the digest is computed again next time. */
    private static void write(Path file, String digest) {
        try {
            Files.createDirectories(file.getParent());
            Path temporary = Files.createTempFile(file.getParent(), "digest", ".tmp");
            Files.writeString(temporary, digest);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            System.getLogger(ModelDigest.class.getName())
                    .log(System.Logger.Level.DEBUG, "digest cache {0} can''t be written: {1}", file, e.getMessage());
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }
}
