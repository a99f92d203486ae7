package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.WeightSource;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
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
import java.util.Map;

/**
 * A PEFT adapter read whole into memory: files may change or vanish afterwards, and the digest is of the bytes that were checked.
 *
 * @param baseCopies what it says are weights of the base, by target
 * @param digest SHA-256 (hex) over both files, each behind its length
 */
public record PeftAdapter(
        PeftConfig config, LoraWeights weights, Map<Integer, StoredTensor> baseCopies, String digest) {
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
        PeftFolder.Content content = PeftFolder.read(parsed, base, new SafetensorsFile(PeftFolder.WEIGHTS, tensors));
        return new PeftAdapter(parsed, content.weights(), content.baseCopies(), digest(config, tensors));
    }

    /** Bytes of all tensors that were read, copies of the base's among them. */
    public long bytes() {
        return weights.bytes()
                + baseCopies.values().stream()
                        .mapToLong(copy -> copy.data().byteSize())
                        .sum();
    }

    /** Refuses an adapter that brings another head than the base's along with factors for it. */
    public void checkBaseCopies(WeightSource base) {
        baseCopies.forEach((target, copy) -> {
            try (Arena arena = Arena.ofShared()) {
                checkCopy(copy, base.head(base.embedding(arena), arena));
            }
        });
    }

    /** One of the two may have been rounded to the other's type. */
    private static void checkCopy(StoredTensor copy, Weight weight) {
        WeightRows rows = WeightRows.of(weight);
        float[] own = new float[weight.columns()];
        Tensor values = copy.tensor();
        for (int row = 0; row < weight.rows(); row++) {
            rows.read(row, own);
            for (int i = 0; i < own.length; i++) {
                float value = PeftFolder.value(values, (long) row * own.length + i);
                if (value != own[i] && value != rounded(own[i], values.dtype()) && own[i] != rounded(value, weight)) {
                    throw new ServingException(
                            ErrorCode.INVALID_REQUEST,
                            "adapter: tensor %s is not the base model's weight: %s at [%d, %d], the base has %s"
                                    .formatted(copy.name(), value, row, i, own[i]));
                }
            }
        }
    }

    private static float rounded(float value, Weight weight) {
        return weight instanceof Weight.Dense dense
                ? rounded(value, dense.values().dtype())
                : value;
    }

    private static float rounded(float value, DType dtype) {
        return switch (dtype) {
            case BF16 -> BFloat16.toFloat(BFloat16.fromFloat(value));
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            case F32, I64, I32, U8 -> value;
        };
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
