package dev.nightshift.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Adapter slots of the contract tests as plain arrays, and the table that a backend reads. */
final class TestAdapters {

    /** What one slot does to one target; arrays hold values already rounded to their type. */
    sealed interface Change {
        /** @param gain [out] or null */
        record LowRank(int rank, float scale, float[] a, float[] b, float[] gain, DType dtype) implements Change {}

        /** @param values [out, in] */
        record Replacement(float[] values, DType dtype) implements Change {}

        record None() implements Change {}
    }

    private final int targets;
    private final List<Change[]> slots = new ArrayList<>();

    TestAdapters(int targets) {
        this.targets = targets;
    }

    /** Adds a slot, one change a target. */
    TestAdapters slot(Change... changes) {
        if (changes.length != targets) {
            throw new IllegalStateException("%d changes for %d targets".formatted(changes.length, targets));
        }
        slots.add(changes);
        return this;
    }

    static Change lowRank(Random random, int rank, int in, int out, DType dtype, boolean gain) {
        float[] a = HostTensors.round(dtype, HostTensors.normal(random, rank * in, 1 / Math.sqrt(in)));
        float[] b = HostTensors.round(dtype, HostTensors.normal(random, out * rank, 1 / Math.sqrt(rank)));
        float[] gains = null;
        if (gain) {
            gains = new float[out];
            for (int i = 0; i < out; i++) {
                gains[i] = 0.5f + random.nextFloat();
            }
        }
        return new Change.LowRank(rank, 0.25f + random.nextFloat(), a, b, gains, dtype);
    }

    static Change replacement(Random random, int in, int out, DType dtype) {
        float[] values = HostTensors.normal(random, out * in, 1 / Math.sqrt(in));
        return new Change.Replacement(HostTensors.round(dtype, values), dtype);
    }

    static Change none() {
        return new Change.None();
    }

    /** What a row of this slot meets at a target; slot -1 is the base model. */
    Change change(int slot, int target) {
        return slot < 0 ? new Change.None() : slots.get(slot)[target];
    }

    /** Rows of a call, tables on the device. */
    LoraRows rows(Scene scene, int[] rowSlots, int firstTarget, int parts, int rankMax) {
        Tensor scratch = scene.zeros(DType.F32, rowSlots.length, (long) parts * rankMax);
        return new LoraRows(table(scene, rankMax), scene.i32(rowSlots, rowSlots.length), firstTarget, scratch);
    }

    LoraTable table(Scene scene, int rankMax) {
        long[] entries = new long[slots.size() * targets * LoraTable.FIELDS];
        Tensor bytes = HostTensors.zeros(DType.U8, arenaBytes());
        long at = 0;
        for (int slot = 0; slot < slots.size(); slot++) {
            for (int target = 0; target < targets; target++) {
                at = write(slots.get(slot)[target], entries, (slot * targets + target) * LoraTable.FIELDS, bytes, at);
            }
        }
        return new LoraTable(
                scene.put(bytes),
                scene.put(HostTensors.i64(entries, slots.size(), targets, LoraTable.FIELDS)),
                rankMax);
    }

    private static long write(Change change, long[] entries, int entry, Tensor bytes, long start) {
        entries[entry + LoraTable.GAIN_OFFSET] = -1;
        entries[entry + LoraTable.REPLACEMENT_OFFSET] = -1;
        long at = start;
        switch (change) {
            case Change.None ignored -> {}
            case Change.LowRank low -> {
                entries[entry + LoraTable.A_OFFSET] = at;
                at = append(bytes, at, low.dtype(), low.a());
                entries[entry + LoraTable.B_OFFSET] = at;
                at = append(bytes, at, low.dtype(), low.b());
                entries[entry + LoraTable.RANK] = low.rank();
                entries[entry + LoraTable.SCALE] = Float.floatToRawIntBits(low.scale());
                entries[entry + LoraTable.FACTOR_DTYPE] = low.dtype().ordinal();
                if (low.gain() != null) {
                    entries[entry + LoraTable.GAIN_OFFSET] = at;
                    at = append(bytes, at, DType.F32, low.gain());
                }
            }
            case Change.Replacement replacement -> {
                entries[entry + LoraTable.REPLACEMENT_OFFSET] = at;
                entries[entry + LoraTable.REPLACEMENT_DTYPE] =
                        replacement.dtype().ordinal();
                at = append(bytes, at, replacement.dtype(), replacement.values());
            }
        }
        return at;
    }

    private static long append(Tensor bytes, long at, DType dtype, float[] values) {
        HostTensors.writeFloats(bytes.data(), at, dtype, values);
        return aligned(at + (long) values.length * dtype.bytes());
    }

    private static long aligned(long offset) {
        return (offset + 15) / 16 * 16;
    }

    private long arenaBytes() {
        long bytes = 16;
        for (Change[] changes : slots) {
            for (Change change : changes) {
                bytes += switch (change) {
                    case Change.None ignored -> 0;
                    case Change.LowRank low ->
                        aligned((long) low.a().length * 4)
                                + aligned((long) low.b().length * 4)
                                + (low.gain() == null ? 0 : aligned((long) low.gain().length * 4));
                    case Change.Replacement replacement -> aligned((long) replacement.values().length * 4);
                };
            }
        }
        return bytes;
    }
}
