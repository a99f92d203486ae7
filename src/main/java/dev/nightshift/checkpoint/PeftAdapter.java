package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A PEFT adapter read whole into memory: files may change or vanish afterwards, and the digest is of the bytes that were checked.
 *
 * @param digest SHA-256 (hex) over both files, each behind its length
 */
public record PeftAdapter(PeftConfig config, LoraWeights weights, String digest) {
    private static final int CHUNK_BYTES = 64 << 20;

    /**
     * Reads and checks an adapter.
     *
     * @param arena holds the tensors; shared, as they are read by other threads
     * @param bytesMax what the tensors' file may have at most
     */
    public static PeftAdapter read(Path folder, ModelConfig base, Arena arena, long bytesMax) {
        byte[] config = PeftFolder.configBytes(folder);
        PeftConfig parsed = PeftConfig.parse(config);
        PeftFolder.refusePickle(folder);
        MemorySegment tensors = bytes(folder.resolve(PeftFolder.WEIGHTS), arena, bytesMax);
        LoraWeights weights = PeftFolder.weights(parsed, base, new SafetensorsFile(PeftFolder.WEIGHTS, tensors));
        return new PeftAdapter(parsed, weights, digest(config, tensors));
    }

    /** The digest of a folder, without a look at what it means. */
    public static String digest(Path folder) {
        byte[] config = PeftFolder.configBytes(folder);
        try (Arena arena = Arena.ofShared()) {
            return digest(config, bytes(folder.resolve(PeftFolder.WEIGHTS), arena, Long.MAX_VALUE));
        }
    }

    private static MemorySegment bytes(Path file, Arena arena, long bytesMax) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size > bytesMax) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "adapter: %s has %,d bytes, at most %,d fit the room for adapters"
                                .formatted(PeftFolder.WEIGHTS, size, bytesMax));
            }
            MemorySegment bytes = arena.allocate(size, Long.BYTES);
            for (long at = 0; at < size; ) {
                ByteBuffer chunk =
                        bytes.asSlice(at, Math.min(CHUNK_BYTES, size - at)).asByteBuffer();
                int count = channel.read(chunk, at);
                if (count < 0) {
                    throw new IOException("it ends at byte %d of %d".formatted(at, size));
                }
                at += count;
            }
            return bytes;
        } catch (IOException e) {
            String state = Files.exists(file) ? "can't be read: " + e.getMessage() : "is missing";
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "adapter: %s %s".formatted(PeftFolder.WEIGHTS, state), e);
        }
    }

    private static String digest(byte[] config, MemorySegment tensors) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            sha256.update(ByteBuffer.allocate(Long.BYTES).putLong(0, config.length));
            sha256.update(config);
            sha256.update(ByteBuffer.allocate(Long.BYTES).putLong(0, tensors.byteSize()));
            for (long at = 0; at < tensors.byteSize(); at += CHUNK_BYTES) {
                sha256.update(tensors.asSlice(at, Math.min(CHUNK_BYTES, tensors.byteSize() - at))
                        .asByteBuffer());
            }
            return HexFormat.of().formatHex(sha256.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
