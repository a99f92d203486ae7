package dev.nightshift.model;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/** Memory for the adapters that are resident at once, taken at start; who fills it is the adapter registry's business. */
public final class LoraSlots {
    private LoraSlots() {}

    /**
     * Empty slots: no target adapted, none replaced.
     *
     * @param arenaBytes room for the factors of all slots together
     * @param rankMax largest rank of any adapter
     */
    public static LoraTable allocate(TensorOps ops, ModelConfig config, int slots, long arenaBytes, int rankMax) {
        Shape shape = Shape.of(slots, LoraTargets.count(config.layers()), LoraTable.FIELDS);
        Tensor entries = ops.allocate(MemoryPart.ADAPTER_SLOTS, DType.I64, shape);
        try (Arena arena = Arena.ofShared()) {
            Tensor host = new Tensor(arena.allocate(entries.bytes(), Long.BYTES), DType.I64, shape);
            for (long entry = 0; entry < shape.elements(); entry += LoraTable.FIELDS) {
                set(host, entry + LoraTable.GAIN_OFFSET);
                set(host, entry + LoraTable.REPLACEMENT_OFFSET);
            }
            ops.upload(entries, host);
        }
        Tensor bytes = ops.allocate(MemoryPart.ADAPTER_SLOTS, DType.U8, Shape.of(arenaBytes));
        return new LoraTable(bytes, entries, rankMax);
    }

    /** No gain, no replacement. */
    private static void set(Tensor entries, long index) {
        entries.data().setAtIndex(ValueLayout.JAVA_LONG, index, -1L);
    }
}
