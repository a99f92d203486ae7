package dev.nightshift.train;

import dev.nightshift.model.LoraParameter;
import dev.nightshift.quant.DynamicMap;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * AdamW whose state lies in pages. Pages that the device budget has room for stay there; the rest live on the host and pass
 * through two frames, the next one fetched before the current one is used. The order of use is the same in every step, so
 * which pages stay is fixed from the start: keeping all but the streamed ones is the best that can be done for a cyclic order.
 */
final class PagedAdamW implements AutoCloseable {
    /** Elements of a page: a multiple of the 8-bit optimizer's block, and small enough that a stage stays short. */
    static final int PAGE_ELEMENTS = 1 << 18;

    /** bitsandbytes keeps 32-bit state for smaller tensors (qlora.md section 2.5). */
    static final int EIGHT_BIT_MIN = 4096;

    private static final int BLOCK = 256;
    private static final int FRAMES = 2;

    /**
     * A slice of one parameter.
     *
     * @param home state on the host, null if the page stays on the device
     * @param resident state on the device, null if it is streamed
     */
    private record Page(Tensor param, Tensor gradient, boolean ofB, boolean eightBit, Tensor home, Tensor resident) {
        long elements() {
            return param.shape().elements();
        }
    }

    private final TensorOps ops;
    private final TrainingOps back;
    private final TrainerSettings settings;
    private final List<Page> pages = new ArrayList<>();
    private final List<Integer> streamed = new ArrayList<>();
    private final Tensor[] frames = new Tensor[FRAMES];
    private final Tensor signedMap;
    private final Tensor unsignedMap;
    private final Arena host = Arena.ofShared();
    private long pageMoves;

    PagedAdamW(
            TensorOps ops,
            TrainingOps back,
            TrainerSettings settings,
            List<LoraParameter> parameters,
            TrainingArena device) {
        this.ops = ops;
        this.back = back;
        this.settings = settings;
        signedMap = device.take(DType.F32, 256);
        unsignedMap = device.take(DType.F32, 256);
        ops.upload(signedMap, hostFloats(DynamicMap.signed()));
        ops.upload(unsignedMap, hostFloats(DynamicMap.unsigned()));
        List<Slice> slices = slices(parameters);
        long frameBytes = 0;
        long stateBytes = 0;
        for (Slice slice : slices) {
            frameBytes = Math.max(frameBytes, slice.stateBytes());
            stateBytes += slice.stateBytes();
        }
        boolean all = stateBytes <= settings.optimizerBytesMax();
        long room = all ? stateBytes : settings.optimizerBytesMax() - FRAMES * frameBytes;
        if (!all) {
            for (int f = 0; f < FRAMES; f++) {
                frames[f] = device.take(DType.U8, frameBytes);
            }
        }
        for (Slice slice : slices) {
            boolean stays = slice.stateBytes() <= room;
            room -= stays ? slice.stateBytes() : 0;
            add(slice, stays, device);
        }
    }

    private record Slice(Tensor param, Tensor gradient, boolean ofB, boolean eightBit) {
        long stateBytes() {
            long n = param.shape().elements();
            long blocks = (n + BLOCK - 1) / BLOCK;
            long bytes = eightBit ? 2 * n + 2 * blocks * 4 : 8 * n;
            return (bytes + 255) / 256 * 256;
        }
    }

    private List<Slice> slices(List<LoraParameter> parameters) {
        List<Slice> slices = new ArrayList<>();
        for (LoraParameter parameter : parameters) {
            slice(slices, parameter.factors().a(), parameter.gradientA(), false);
            slice(slices, parameter.factors().b(), parameter.gradientB(), true);
        }
        return slices;
    }

    private void slice(List<Slice> slices, Tensor param, Tensor gradient, boolean ofB) {
        long n = param.shape().elements();
        boolean eightBit = settings.optimizer() == TrainerSettings.OptimizerKind.ADAMW_8BIT && n >= EIGHT_BIT_MIN;
        Tensor flat = param.reshape(n);
        Tensor flatGradient = gradient.reshape(n);
        for (long from = 0; from < n; from += PAGE_ELEMENTS) {
            long to = Math.min(n, from + PAGE_ELEMENTS);
            slices.add(new Slice(flat.rows(from, to), flatGradient.rows(from, to), ofB, eightBit));
        }
    }

    private void add(Slice slice, boolean stays, TrainingArena device) {
        long bytes = slice.stateBytes();
        Tensor resident = null;
        Tensor home = null;
        if (stays) {
            resident = device.take(DType.U8, bytes);
            back.zero(resident);
        } else {
            home = new Tensor(host.allocate(bytes, 64), DType.U8, Shape.of(bytes));
            streamed.add(pages.size());
        }
        pages.add(new Page(slice.param(), slice.gradient(), slice.ofB(), slice.eightBit(), home, resident));
    }

    /** State of {@code parameters} numbers, but for the rounding of pages. */
    static long stateBytes(TrainerSettings settings, long parameters) {
        return switch (settings.optimizer()) {
            case ADAMW_32 -> 8 * parameters;
            case ADAMW_8BIT -> 2 * parameters + 2 * 4 * parameters / BLOCK;
        };
    }

    /**
     * Device memory that the state of {@code parameters} numbers needs at most under these settings: the frames are there
     * whatever the budget.
     *
     * @param largest numbers of the largest tensor
     */
    static long deviceBytes(TrainerSettings settings, long parameters, long largest) {
        long state = 8 * parameters;
        long all = state + state / 8;
        long frames = FRAMES * TrainingArena.size(DType.U8, 8 * Math.min(PAGE_ELEMENTS, largest));
        long budget = settings.optimizerBytesMax();
        return (budget >= all ? all : Math.max(budget, frames)) + 4 * 256 * 8;
    }

    int pageCount() {
        return pages.size();
    }

    int streamedPages() {
        return streamed.size();
    }

    /** Pages fetched or written back so far; two a step for each streamed page. */
    long pageMoves() {
        return pageMoves;
    }

    /** Before page 0 of a step. */
    void begin() {
        if (!streamed.isEmpty()) {
            fetch(0);
        }
    }

    /** Updates one page's slice of its parameter. */
    void update(int index, AdamStep step) {
        Page page = pages.get(index);
        AdamStep own = page.ofB() && settings.loraPlusRatio() != 1
                ? new AdamStep(
                        step.learningRate() * settings.loraPlusRatio(),
                        step.beta1(),
                        step.beta2(),
                        step.epsilon(),
                        step.weightDecay(),
                        step.step(),
                        step.gradientScale())
                : step;
        if (page.resident() != null) {
            apply(page, page.resident(), own);
            return;
        }
        int order = Collections.binarySearch(streamed, index);
        if (order + 1 < streamed.size()) {
            fetch(order + 1);
        }
        Tensor frame = frames[order % FRAMES].rows(0, page.home().bytes());
        apply(page, frame, own);
        ops.readback(page.home(), frame);
        pageMoves++;
    }

    private void fetch(int order) {
        Page page = pages.get(streamed.get(order));
        ops.upload(frames[order % FRAMES].rows(0, page.home().bytes()), page.home());
        pageMoves++;
    }

    private void apply(Page page, Tensor state, AdamStep step) {
        long n = page.elements();
        if (page.eightBit()) {
            long blocks = (n + BLOCK - 1) / BLOCK;
            back.adamW8Bit(
                    page.param(),
                    page.gradient(),
                    state.rows(8 * blocks, 8 * blocks + n),
                    floats(state, 0, blocks),
                    signedMap,
                    state.rows(8 * blocks + n, 8 * blocks + 2 * n),
                    floats(state, 4 * blocks, blocks),
                    unsignedMap,
                    step);
        } else {
            back.adamW(page.param(), page.gradient(), floats(state, 0, n), floats(state, 4 * n, n), step);
        }
    }

    private static Tensor floats(Tensor bytes, long offset, long count) {
        return new Tensor(bytes.data().asSlice(offset, count * 4), DType.F32, Shape.of(count));
    }

    /** Copies all state to the host, in page order: what a training checkpoint holds. */
    List<Tensor> snapshot() {
        List<Tensor> copies = new ArrayList<>();
        for (Page page : pages) {
            Tensor copy = hostBytes((page.home() != null ? page.home() : page.resident()).bytes());
            if (page.home() != null) {
                copy.data().copyFrom(page.home().data());
            } else {
                ops.readback(copy, page.resident());
            }
            copies.add(copy);
        }
        return copies;
    }

    /** Takes back what {@link #snapshot} gave, whatever the budget was then. */
    void restore(List<Tensor> states) {
        if (states.size() != pages.size()) {
            throw new IllegalStateException("%d optimizer pages, %d expected".formatted(states.size(), pages.size()));
        }
        for (int i = 0; i < states.size(); i++) {
            Page page = pages.get(i);
            if (page.home() != null) {
                page.home().data().copyFrom(states.get(i).data());
            } else {
                ops.upload(page.resident(), states.get(i));
            }
        }
    }

    private static Tensor hostBytes(long bytes) {
        return new Tensor(Arena.ofAuto().allocate(bytes, 64), DType.U8, Shape.of(bytes));
    }

    private static Tensor hostFloats(float[] values) {
        Tensor tensor = new Tensor(Arena.ofAuto().allocate(4L * values.length, 64), DType.F32, Shape.of(values.length));
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    @Override
    public void close() {
        host.close();
    }
}
