package dev.nightshift.checkpoint;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;

/** Golden values in a safetensors file, for tests. The file is mapped until the garbage collector finds it unused. */
public final class GoldenTensors {
    /** Golden data and models beside the project; a test that needs them is skipped where they are absent. */
    public static final Path SHARED = Path.of("..", "shared");

    private final SafetensorsFile file;

    private GoldenTensors(SafetensorsFile file) {
        this.file = file;
    }

    public static GoldenTensors open(Path path) {
        return new GoldenTensors(SafetensorsFile.map(path, Arena.ofAuto()));
    }

    /** A path below {@link #SHARED}; skips the test, saying why, if nothing is there. */
    public static Path shared(String first, String... more) {
        Path path = SHARED.resolve(Path.of(first, more));
        boolean exists = Files.exists(path);
        if (!exists) {
            System.err.println("skipped: " + path + " is missing");
        }
        Assumptions.assumeTrue(exists, path + " is missing");
        return path;
    }

    public Set<String> names() {
        return file.tensors().keySet();
    }

    public boolean has(String name) {
        return file.find(name).isPresent();
    }

    public Shape shape(String name) {
        return stored(name).shape();
    }

    /** Read-only view. */
    public Tensor tensor(String name) {
        return stored(name).tensor();
    }

    /** Values of an F32, BF16 or F16 tensor. */
    public float[] floats(String name) {
        Tensor tensor = tensor(name);
        if (tensor.dtype() == DType.F32) {
            return tensor.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        }
        short[] bits = tensor.data().toArray(ValueLayout.JAVA_SHORT_UNALIGNED);
        float[] values = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            values[i] = switch (tensor.dtype()) {
                case BF16 -> Float.intBitsToFloat(bits[i] << 16);
                case F16 -> Float.float16ToFloat(bits[i]);
                case F32, I64, I32, U8 -> throw new IllegalStateException(name + " is " + tensor.dtype());
            };
        }
        return values;
    }

    /** Values of an I32 or I64 tensor. */
    public int[] ints(String name) {
        Tensor tensor = tensor(name);
        if (tensor.dtype() == DType.I32) {
            return tensor.data().toArray(ValueLayout.JAVA_INT_UNALIGNED);
        }
        long[] wide = tensor.data().toArray(ValueLayout.JAVA_LONG_UNALIGNED);
        int[] values = new int[wide.length];
        for (int i = 0; i < wide.length; i++) {
            values[i] = Math.toIntExact(wide[i]);
        }
        return values;
    }

    /** The raw bytes, of any type. */
    public byte[] bytes(String name) {
        return stored(name).data().toArray(ValueLayout.JAVA_BYTE);
    }

    private StoredTensor stored(String name) {
        return file.find(name)
                .orElseThrow(() -> new IllegalStateException("no tensor %s in %s".formatted(name, file.name())));
    }
}
