package dev.nightshift.tensor.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.constant.ConstantDescs;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * One source, several vector widths. The compiler needs the species as a constant, so a kernel class keeps it in a static
 * final field: the class itself runs at the machine's preferred width, and for any other width the same bytes are defined a
 * second time as a hidden class with the width as its class data.
 */
final class Lanes {
    /** Bytes of a cache line. */
    static final int LINE = 64;

    private Lanes() {}

    /** Width in bits that this machine prefers. */
    static int preferredBits() {
        return FloatVector.SPECIES_PREFERRED.vectorBitSize();
    }

    /** Species of the class whose lookup this is: for its static initialiser. */
    static VectorSpecies<Float> species(MethodHandles.Lookup kernel) {
        try {
            Integer bits = MethodHandles.classData(kernel, ConstantDescs.DEFAULT_NAME, Integer.class);
            return bits == null ? FloatVector.SPECIES_PREFERRED : species(bits);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("no class data in " + kernel.lookupClass(), e);
        }
    }

    private static VectorSpecies<Float> species(int bits) {
        return VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
    }

    /** The kernels of {@code kernel} at a width of {@code bits}. */
    static <T> T at(int bits, Class<T> type, Class<? extends T> kernel) {
        if (bits != 128 && bits != 256 && bits != 512) {
            throw new IllegalStateException("vectors of %d bits; there are 128, 256, 512".formatted(bits));
        }
        try {
            Class<?> defined = kernel;
            if (bits != preferredBits()) {
                defined = MethodHandles.lookup()
                        .defineHiddenClassWithClassData(bytes(kernel), bits, true)
                        .lookupClass();
            }
            return type.cast(defined.getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot define %s at %d bits".formatted(kernel.getName(), bits), e);
        }
    }

    private static byte[] bytes(Class<?> kernel) {
        String file = kernel.getName().substring(kernel.getName().lastIndexOf('.') + 1) + ".class";
        try (InputStream in = kernel.getResourceAsStream(file)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
