package dev.nightshift.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One safetensors file: eight bytes of header length, a JSON header, tensor bytes (format of huggingface/safetensors). All of
 * the header is checked at opening: lengths, offsets, shapes, types; tensors must cover the data without gap or overlap.
 * Offsets are unaligned in general.
 */
public final class SafetensorsFile {
    /** The reference implementation's limit. */
    static final long HEADER_BYTES_MAX = 100_000_000;

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    /** Maps a file; the mapping lives as long as {@code arena}. */
    public static SafetensorsFile map(Path path, Arena arena) {
        String name = path.getFileName().toString();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new SafetensorsFile(name, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException e) {
            String state = Files.exists(path) ? "can't be read: " + e.getMessage() : "is missing";
            throw new ServingException(ErrorCode.INVALID_REQUEST, "%s %s".formatted(path, state), e);
        }
    }

    /** Reads a file that already lies in memory. */
    public SafetensorsFile(String name, MemorySegment file) {
        this.name = name;
        if (file.byteSize() < 8) {
            throw broken("is truncated: %d bytes, a header length needs 8".formatted(file.byteSize()));
        }
        long headerBytes = file.get(LENGTH, 0);
        if (headerBytes < 0 || headerBytes > HEADER_BYTES_MAX) {
            throw broken("header length %s exceeds the limit of %d bytes"
                    .formatted(Long.toUnsignedString(headerBytes), HEADER_BYTES_MAX));
        }
        if (8 + headerBytes > file.byteSize()) {
            throw broken("is truncated: its header ends at byte %d, the file at %d"
                    .formatted(8 + headerBytes, file.byteSize()));
        }
        byte[] header = file.asSlice(8, headerBytes).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = file.asSlice(8 + headerBytes).asReadOnly();
        List<Extent> extents = new ArrayList<>();
        JsonNode root = parse(header);
        for (Map.Entry<String, JsonNode> entry : root.properties()) {
            if (entry.getKey().equals("__metadata__")) {
                readMetadata(entry.getValue());
            } else {
                extents.add(readTensor(entry.getKey(), entry.getValue(), data));
            }
        }
        checkCoverage(extents, data.byteSize());
    }

    private record Extent(String tensor, long begin, long end) {}

    private JsonNode parse(byte[] header) {
        try {
            JsonNode root = Json.MAPPER.readTree(header);
            if (root != null && root.isObject()) {
                return root;
            }
            throw broken("header is no JSON object");
        } catch (JsonProcessingException e) {
            throw broken("header is no valid JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw broken("header can't be read: " + e.getMessage());
        }
    }

    private void readMetadata(JsonNode node) {
        if (!node.isObject()) {
            throw broken("__metadata__ is no object");
        }
        node.properties()
                .forEach(entry -> metadata.put(entry.getKey(), entry.getValue().asText()));
    }

    private Extent readTensor(String tensor, JsonNode node, MemorySegment data) {
        String typeName = node.path("dtype").asText();
        StoredType type = StoredType.named(typeName)
                .orElseThrow(() -> broken("tensor %s has the unknown dtype '%s'".formatted(tensor, typeName)));
        JsonNode offsets = node.path("data_offsets");
        if (offsets.size() != 2
                || !offsets.path(0).canConvertToLong()
                || !offsets.path(1).canConvertToLong()) {
            throw broken("tensor %s has data_offsets %s, two integers expected".formatted(tensor, offsets));
        }
        long begin = offsets.path(0).asLong();
        long end = offsets.path(1).asLong();
        if (begin < 0 || end < begin) {
            throw broken("tensor %s has data_offsets [%d, %d]".formatted(tensor, begin, end));
        }
        if (end > data.byteSize()) {
            throw broken("is truncated: tensor %s ends at byte %d of %d bytes of data"
                    .formatted(tensor, end, data.byteSize()));
        }
        Shape shape = readShape(tensor, node.path("shape"));
        long bytes = bytes(tensor, shape, type);
        if (bytes != end - begin) {
            throw broken("tensor %s of type %s and shape %s needs %d bytes, its data_offsets hold %d"
                    .formatted(tensor, type, shape, bytes, end - begin));
        }
        tensors.put(tensor, new StoredTensor(name, tensor, type, shape, data.asSlice(begin, end - begin)));
        return new Extent(tensor, begin, end);
    }

    private Shape readShape(String tensor, JsonNode node) {
        if (!node.isArray()) {
            throw broken("tensor %s has shape %s, a list expected".formatted(tensor, node));
        }
        long[] axes = new long[node.size()];
        for (int i = 0; i < axes.length; i++) {
            if (!node.path(i).isIntegralNumber()
                    || !node.path(i).canConvertToLong()
                    || node.path(i).asLong() < 0) {
                throw broken("tensor %s has shape %s".formatted(tensor, node));
            }
            axes[i] = node.path(i).asLong();
        }
        return Shape.of(axes);
    }

    private long bytes(String tensor, Shape shape, StoredType type) {
        try {
            return Math.multiplyExact(shape.elements(), (long) type.bytes());
        } catch (ArithmeticException e) {
            throw broken("tensor %s has shape %s, more bytes than a file can hold".formatted(tensor, shape));
        }
    }

    private void checkCoverage(List<Extent> extents, long dataBytes) {
        extents.sort(Comparator.comparingLong(Extent::begin).thenComparingLong(Extent::end));
        long covered = 0;
        String before = "the header";
        for (Extent extent : extents) {
            if (extent.begin() < covered) {
                throw broken("tensors %s and %s overlap".formatted(before, extent.tensor()));
            }
            if (extent.begin() > covered) {
                throw broken("%d bytes between %s and tensor %s belong to no tensor"
                        .formatted(extent.begin() - covered, before, extent.tensor()));
            }
            covered = extent.end();
            before = extent.tensor();
        }
        if (covered != dataBytes) {
            throw broken("%d bytes after %s belong to no tensor".formatted(dataBytes - covered, before));
        }
    }

    private ServingException broken(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, "safetensors file %s: %s".formatted(name, what));
    }

    /** The file's name, without its folder. */
    public String name() {
        return name;
    }

    /** All tensors in the order of the header. */
    public Map<String, StoredTensor> tensors() {
        return java.util.Collections.unmodifiableMap(tensors);
    }

    public Optional<StoredTensor> find(String tensor) {
        return Optional.ofNullable(tensors.get(tensor));
    }

    /** {@code __metadata__} of the header. */
    public Map<String, String> metadata() {
        return java.util.Collections.unmodifiableMap(metadata);
    }
}
