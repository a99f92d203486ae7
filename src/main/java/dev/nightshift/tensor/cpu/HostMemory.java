package dev.nightshift.tensor.cpu;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Off-heap memory under one budget, booked by part. Large pieces are anonymous mappings where the system is Linux: zeroed
 * and committed page by page as they are touched, in huge pages where they are long. Weights share mappings, so that those of small
 * models lie in huge pages too: every step reads all of them, and with small pages it is the look-up of addresses that a matrix of a
 * few rows waits for. Elsewhere, and for other small pieces, the JDK's arena gives the memory. Pages of adapter slots and of the first blocks of the key-value cache, which are taken first, are
 * committed at once in the background, so that no request pays for them.
 */
final class HostMemory implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long MAPPED_FROM = 1 << 20;
    private static final long HUGE_PAGE = 2 << 20;
    /** Bytes of a mapping that weights share, and of the longest one that goes into it. */
    private static final long SHARED = 32 << 20;

    private static final long SHARES = SHARED / 4;
    /** Bytes of the key-value cache that are committed at start: a second of one core on a small virtual machine. */
    static final long CACHE_EARLY = 512 << 20;

    /** Values of Linux' sys/mman.h: PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE. */
    private static final int READ_WRITE = 3;

    private static final int PRIVATE_ANONYMOUS = 0x02 | 0x20 | 0x4000;
    private static final int ADVICE_HUGE_PAGE = 14;

    private final long budgetBytes;
    private final Map<MemoryPart, Long> booked = new EnumMap<>(MemoryPart.class);
    private final Arena arena = Arena.ofShared();
    private final List<PageTouch> touches = new ArrayList<>();
    /** What is left of the last mapping for weights. */
    private MemorySegment shared = MemorySegment.NULL;

    HostMemory(long budgetBytes) {
        if (budgetBytes <= 0) {
            throw new IllegalStateException("memory budget of " + budgetBytes + " bytes");
        }
        this.budgetBytes = budgetBytes;
    }

    Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        return new Tensor(allocate(part, Math.multiplyExact(shape.elements(), (long) dtype.bytes())), dtype, shape);
    }

    synchronized MemorySegment allocate(MemoryPart part, long bytes) {
        long total = 0;
        for (long each : booked.values()) {
            total += each;
        }
        if (bytes > budgetBytes - total) {
            throw new ServingException(
                    ErrorCode.INSUFFICIENT_STORAGE,
                    "%s needs %d bytes more, %d of the memory budget of %d bytes are left"
                            .formatted(part, bytes, budgetBytes - total, budgetBytes));
        }
        MemorySegment memory = take(part, bytes);
        booked.merge(part, bytes, Long::sum);
        long early = early(part, bytes);
        if (early >= MAPPED_FROM) {
            touches.add(PageTouch.start(memory.asSlice(0, early)));
        }
        return memory;
    }

    private MemorySegment take(MemoryPart part, long bytes) {
        if (Mapping.AVAILABLE && part == MemoryPart.WEIGHTS && bytes <= SHARES) {
            return share(bytes);
        }
        return Mapping.AVAILABLE && bytes >= MAPPED_FROM
                ? Mapping.map(bytes, arena)
                : arena.allocate(Math.max(bytes, 1), ALIGNMENT).asSlice(0, bytes);
    }

    private MemorySegment share(long bytes) {
        long length = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (shared.byteSize() < length) {
            MemorySegment mapping = Mapping.map(SHARED + HUGE_PAGE, arena);
            // a huge page begins at a multiple of its size
            long skipped = Math.floorMod(-mapping.address(), HUGE_PAGE);
            shared = mapping.asSlice(skipped, SHARED);
        }
        MemorySegment memory = shared.asSlice(0, bytes);
        shared = shared.asSlice(length);
        return memory;
    }

    /** What is committed before it is used. A cache may be most of the machine's memory, and most of it may never be needed. */
    private static long early(MemoryPart part, long bytes) {
        return switch (part) {
            case ADAPTER_SLOTS -> bytes;
            case KV_BLOCKS -> Math.min(bytes, CACHE_EARLY);
            default -> 0;
        };
    }

    synchronized long bookedBytes(MemoryPart part) {
        return booked.getOrDefault(part, 0L);
    }

    /** Returns when all pages are committed that are committed in the background. */
    void awaitTouched() throws InterruptedException {
        List<PageTouch> running;
        synchronized (this) {
            running = List.copyOf(touches);
        }
        for (PageTouch touch : running) {
            touch.await();
        }
    }

    @Override
    public synchronized void close() {
        touches.forEach(PageTouch::close);
        arena.close();
    }

    /** The three calls of the C library. */
    private static final class Mapping {
        private static final Linker LINKER = Linker.nativeLinker();
        static final boolean AVAILABLE = System.getProperty("os.name").equals("Linux")
                && LINKER.defaultLookup().find("mmap").isPresent();
        private static final MethodHandle MMAP = handle(
                "mmap",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_LONG));
        private static final MethodHandle MADVISE = handle(
                "madvise",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
        private static final MethodHandle MUNMAP = handle(
                "munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

        private static MethodHandle handle(String name, FunctionDescriptor descriptor) {
            return AVAILABLE ? LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor) : null;
        }

        static MemorySegment map(long bytes, Arena arena) {
            try {
                long address = (long) MMAP.invokeExact(0L, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
                if (address == -1) {
                    throw new ServingException(
                            ErrorCode.INSUFFICIENT_STORAGE,
                            "the system has no address space for %,d bytes".formatted(bytes));
                }
                if (bytes >= HUGE_PAGE) {
                    // advice only: without huge pages the mapping works all the same
                    int ignored = (int) MADVISE.invokeExact(address, bytes, ADVICE_HUGE_PAGE);
                }
                return MemorySegment.ofAddress(address).reinterpret(bytes, arena, HostMemory.Mapping::unmap);
            } catch (RuntimeException e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException("mmap of %,d bytes".formatted(bytes), e);
            }
        }

        private static void unmap(MemorySegment memory) {
            try {
                int result = (int) MUNMAP.invokeExact(memory.address(), memory.byteSize());
                if (result != 0) {
                    throw new IllegalStateException("munmap of %,d bytes".formatted(memory.byteSize()));
                }
            } catch (RuntimeException e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException("munmap", e);
            }
        }
    }
}
