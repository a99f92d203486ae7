package dev.nightshift.tensor.cpu.x86;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * Machine code in memory of its own: written first, then made executable and read-only, and kept for the life of the process.
 * Linux on x86-64 only.
 */
public final class Executable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int PROT_EXEC = 4;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

    private Executable() {}

    /** What keeps machine code with these processor features from running here; empty if nothing does. */
    public static Optional<String> obstacle(Set<String> features) {
        String system = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
        if (!system.equals("Linux on amd64")) {
            return Optional.of(system);
        }
        try {
            Set<String> flags = flags();
            for (String feature : features) {
                if (!flags.contains(feature)) {
                    return Optional.of("processor without " + feature);
                }
            }
            Assembler nothing = new Assembler();
            nothing.ret();
            map(nothing.bytes());
            return Optional.empty();
        } catch (IOException | IllegalStateException e) {
            return Optional.of(e.getMessage());
        }
    }

    private static Set<String> flags() throws IOException {
        try (var lines = Files.lines(CPU_INFO)) {
            return lines.filter(line -> line.startsWith("flags"))
                    .findFirst()
                    .map(line ->
                            Set.of(line.substring(line.indexOf(':') + 1).trim().split(" ")))
                    .orElse(Set.of());
        }
    }

    /**
     * The code as a function. It runs to its end before the garbage collector may begin, so it must be short; arguments may be
     * segments on the heap.
     *
     * @throws IllegalStateException if the system gives no executable memory
     */
    public static MethodHandle function(byte[] code, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(map(code), descriptor, Linker.Option.critical(true));
    }

    private static MemorySegment map(byte[] code) {
        Linker linker = Linker.nativeLinker();
        MethodHandle mmap = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mmap"),
                FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
        MethodHandle mprotect = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mprotect"),
                FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
        try {
            MemorySegment memory = (MemorySegment) mmap.invokeExact(
                    MemorySegment.NULL, (long) code.length, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (memory.address() == -1) {
                throw new IllegalStateException("no memory for %d bytes of machine code".formatted(code.length));
            }
            MemorySegment.copy(
                    code, 0, memory.reinterpret(code.length), java.lang.foreign.ValueLayout.JAVA_BYTE, 0, code.length);
            int refused = (int) mprotect.invokeExact(memory, (long) code.length, PROT_READ | PROT_EXEC);
            if (refused != 0) {
                throw new IllegalStateException("the system refuses executable memory");
            }
            return memory;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("cannot map machine code", e);
        }
    }
}
