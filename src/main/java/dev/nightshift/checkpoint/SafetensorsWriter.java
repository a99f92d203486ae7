package dev.nightshift.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * Writes safetensors files that no crash leaves half-written: to a temporary name, synced, renamed, the folder synced. Tensors
 * lie aligned to their element size: wide types first, then by name, as the reference implementation orders them.
 */
public final class SafetensorsWriter {
    private static final int ALIGNMENT = 8;
    private static final long CHUNK_BYTES = 4 << 20;

    private SafetensorsWriter() {}

    /** Replaces {@code file} by one with these tensors; {@code metadata} may be empty. */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) throws IOException {
        List<Map.Entry<String, Tensor>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.comparingInt((Map.Entry<String, Tensor> entry) ->
                                -entry.getValue().dtype().bytes())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        Path folder = file.toAbsolutePath().getParent();
        Path temporary = Files.createTempFile(folder, "." + file.getFileName(), ".tmp");
        try {
            try (FileChannel out = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                write(out, header(ordered, metadata));
                for (Map.Entry<String, Tensor> entry : ordered) {
                    writeData(out, entry.getValue());
                }
                out.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
        syncFolder(folder);
    }

    private static ByteBuffer header(List<Map.Entry<String, Tensor>> tensors, Map<String, String> metadata) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode node = root.putObject("__metadata__");
            metadata.forEach(node::put);
        }
        long at = 0;
        for (Map.Entry<String, Tensor> entry : tensors) {
            Tensor tensor = entry.getValue();
            ObjectNode node = root.putObject(entry.getKey());
            node.put("dtype", StoredType.of(tensor.dtype()).name());
            ArrayNode shape = node.putArray("shape");
            for (int axis = 0; axis < tensor.shape().rank(); axis++) {
                shape.add(tensor.shape().axis(axis));
            }
            node.putArray("data_offsets").add(at).add(at + tensor.bytes());
            at += tensor.bytes();
        }
        byte[] json;
        try {
            json = Json.MAPPER.writeValueAsString(root).getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("header of %d tensors can't be written".formatted(tensors.size()), e);
        }
        int padded = (json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        byte[] spaces = new byte[padded - json.length];
        Arrays.fill(spaces, (byte) ' ');
        return ByteBuffer.allocate(8 + padded)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(padded)
                .put(json)
                .put(spaces)
                .flip();
    }

    private static void writeData(FileChannel out, Tensor tensor) throws IOException {
        ByteBuffer chunk = ByteBuffer.allocateDirect(Math.toIntExact(Math.min(CHUNK_BYTES, tensor.bytes())));
        for (long at = 0; at < tensor.bytes(); at += chunk.capacity()) {
            long count = Math.min(chunk.capacity(), tensor.bytes() - at);
            chunk.clear().limit((int) count);
            MemorySegment.ofBuffer(chunk).copyFrom(tensor.data().asSlice(at, count));
            write(out, chunk);
        }
    }

    private static void write(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    /** Makes the rename itself durable; file systems that can't open a folder order it by themselves. */
    private static void syncFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            System.getLogger(SafetensorsWriter.class.getName())
                    .log(System.Logger.Level.DEBUG, "folder {0} can''t be synced: {1}", folder, e.getMessage());
        }
    }
}
