package dev.nightshift.adapter;

import dev.nightshift.model.LoraSlots;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The adapters that lie on the device. A slot in use is never taken away; of the idle ones the longest unused makes way. Each
 * tensor has a byte range of its own in one arena, so an adapter needs room, not room in one piece. {@link #take} writes to the
 * device and is for the engine's thread; bookkeeping is under the object's monitor.
 *
 * <p>Fairness: whoever finds no room waits, and later requests for adapters that are resident go ahead. When {@link
 * #OVERTAKEN_MAX} have gone ahead of the one that waits longest, none of the later ones is let in until it has its place: slots
 * then run empty, so every wait ends.
 */
public final class AdapterSlots {
    /** Largest rank of a module. */
    public static final int RANK_MAX = 256;

    static final int OVERTAKEN_MAX = 16;

    private final TensorOps ops;
    private final LoraTable table;
    private final ByteRanges ranges;
    private final Slot[] slots;
    private final Tensor entriesHost;
    /** By ticket: who waits for room, and how many later ones went ahead. */
    private final TreeMap<Long, Integer> waiting = new TreeMap<>();

    private long clock;
    private long placements;
    private long evictions;

    private static final class Slot {
        /** Null = empty. */
        private Version version;

        private int users;
        private boolean pinned;
        private long lastUse;
        private final List<Range> ranges = new ArrayList<>();
    }

    private record Range(long start, long bytes) {}

    private AdapterSlots(TensorOps ops, LoraTable table) {
        this.ops = ops;
        this.table = table;
        this.ranges = new ByteRanges(table.arena().bytes());
        this.slots = new Slot[Math.toIntExact(table.entries().shape().axis(0))];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = new Slot();
        }
        Tensor one = table.entries().rows(0, 1);
        this.entriesHost = new Tensor(Arena.ofAuto().allocate(one.bytes(), Long.BYTES), DType.I64, one.shape());
    }

    /** Reserves the memory of all slots, at start. */
    public static AdapterSlots allocate(TensorOps ops, ModelConfig config, int slots, long arenaBytes) {
        if (slots < 1 || arenaBytes < ByteRanges.ALIGNMENT) {
            throw new IllegalStateException("%d slots of %d bytes together".formatted(slots, arenaBytes));
        }
        return new AdapterSlots(ops, LoraSlots.allocate(ops, config, slots, arenaBytes, RANK_MAX));
    }

    /** What the model reads. */
    public LoraTable table() {
        return table;
    }

    /** Slots. */
    public int count() {
        return slots.length;
    }

    /** Room for the tensors of all slots together. */
    public long arenaBytes() {
        return ranges.capacity();
    }

    /** Bytes taken by resident adapters, idle ones too. */
    public synchronized long usedBytes() {
        return ranges.used();
    }

    /** How often an adapter was written to the device. */
    public synchronized long placements() {
        return placements;
    }

    /** How often an idle adapter made way for another one. */
    synchronized long evictions() {
        return evictions;
    }

    synchronized boolean resident(Version version) {
        return find(version) >= 0;
    }

    /** Leases that have a version's slot. */
    synchronized int users(Version version) {
        int slot = find(version);
        return slot < 0 ? 0 : slots[slot].users;
    }

    /** Slots that hold an adapter. */
    public synchronized int occupied() {
        int count = 0;
        for (Slot slot : slots) {
            count += slot.version == null ? 0 : 1;
        }
        return count;
    }

    // ---- engine thread

    /** A slot for a lease, or {@link AdapterLease#WAITING}; the version stays in it until {@link #leave}. */
    int take(Version version, long ticket, HostCopies copies, boolean pinned) {
        int wantedMax;
        synchronized (this) {
            if (isHeldBack(ticket)) {
                waiting.putIfAbsent(ticket, 0);
                return AdapterLease.WAITING;
            }
            int slot = find(version);
            if (slot >= 0) {
                return granted(slot, ticket);
            }
            if (vacant() < 0) {
                waiting.putIfAbsent(ticket, 0);
                return AdapterLease.WAITING;
            }
            // Those that are held back for the first one may hold all places, so it needs none.
            boolean first = !waiting.isEmpty() && waiting.firstKey() == ticket;
            wantedMax = first ? Integer.MAX_VALUE : slots.length;
        }
        HostCopy copy = copies.hold(version, wantedMax);
        if (copy == null) {
            return AdapterLease.WAITING; // it is being read; no room is asked for before
        }
        try {
            return place(version, copy, ticket, pinned);
        } finally {
            copies.release(version);
        }
    }

    private boolean isHeldBack(long ticket) {
        Map.Entry<Long, Integer> first = waiting.firstEntry();
        return first != null && first.getKey() < ticket && first.getValue() >= OVERTAKEN_MAX;
    }

    private int granted(int slot, long ticket) {
        slots[slot].users++;
        slots[slot].lastUse = ++clock;
        waiting.remove(ticket);
        waiting.headMap(ticket).replaceAll((older, overtaken) -> overtaken + 1);
        return slot;
    }

    private int find(Version version) {
        for (int i = 0; i < slots.length; i++) {
            if (slots[i].version == version) {
                return i;
            }
        }
        return -1;
    }

    /** An empty slot, else the idle one that may go, or -1. */
    private int vacant() {
        for (int i = 0; i < slots.length; i++) {
            if (slots[i].version == null) {
                return i;
            }
        }
        return longestIdle();
    }

    /** Pinned ones go last. */
    private int longestIdle() {
        int found = -1;
        for (int i = 0; i < slots.length; i++) {
            Slot slot = slots[i];
            if (slot.version == null || slot.users > 0) {
                continue;
            }
            if (found < 0
                    || (slots[found].pinned && !slot.pinned)
                    || (slots[found].pinned == slot.pinned && slot.lastUse < slots[found].lastUse)) {
                found = i;
            }
        }
        return found;
    }

    private int place(Version version, HostCopy copy, long ticket, boolean pinned) {
        int index;
        Map<Tensor, Long> starts;
        synchronized (this) {
            index = vacant();
            if (index < 0) {
                throw new IllegalStateException("the vacant slot is gone: two threads place adapters");
            }
            Slot slot = slots[index];
            evict(slot);
            starts = room(slot, copy);
            if (starts == null) {
                waiting.putIfAbsent(ticket, 0);
                return AdapterLease.WAITING;
            }
            slot.version = version;
            slot.pinned = pinned;
            slot.users = 0;
            granted(index, ticket);
            placements++;
        }
        starts.forEach(this::upload);
        writeEntries(index, copy, starts);
        return index;
    }

    /** Ranges for all tensors, idle adapters making way; null if those in use leave too little. */
    private Map<Tensor, Long> room(Slot slot, HostCopy copy) {
        Map<Tensor, Long> starts = new IdentityHashMap<>();
        for (Tensor tensor : tensors(copy)) {
            long start = ranges.allocate(tensor.bytes());
            while (start < 0 && longestIdle() >= 0) {
                evict(slots[longestIdle()]);
                start = ranges.allocate(tensor.bytes());
            }
            if (start < 0) {
                clear(slot);
                return null;
            }
            slot.ranges.add(new Range(start, tensor.bytes()));
            starts.put(tensor, start);
        }
        return starts;
    }

    private static List<Tensor> tensors(HostCopy copy) {
        List<Tensor> tensors = new ArrayList<>(copy.weights().replacements().values());
        for (LoraWeights.Factors factor : copy.weights().factors()) {
            tensors.add(factor.a());
            tensors.add(factor.b());
        }
        tensors.addAll(copy.gains().values());
        return tensors;
    }

    private void upload(Tensor tensor, long start) {
        MemorySegment bytes = tensor.data();
        ops.upload(
                table.arena().rows(start, start + tensor.bytes()),
                new Tensor(bytes, DType.U8, Shape.of(bytes.byteSize())));
    }

    private void writeEntries(int slot, HostCopy copy, Map<Tensor, Long> starts) {
        MemorySegment host = entriesHost.data();
        host.fill((byte) 0);
        int targets = Math.toIntExact(entriesHost.shape().axis(1));
        for (int target = 0; target < targets; target++) {
            set(target, LoraTable.GAIN_OFFSET, -1);
            set(target, LoraTable.REPLACEMENT_OFFSET, -1);
        }
        for (LoraWeights.Factors factor : copy.weights().factors()) {
            int target = factor.target();
            set(target, LoraTable.A_OFFSET, starts.get(factor.a()));
            set(target, LoraTable.B_OFFSET, starts.get(factor.b()));
            set(target, LoraTable.RANK, factor.rank());
            set(target, LoraTable.SCALE, Float.floatToRawIntBits(factor.scale()));
            set(target, LoraTable.FACTOR_DTYPE, factor.a().dtype().ordinal());
            Tensor gain = copy.gains().get(target);
            if (gain != null) {
                set(target, LoraTable.GAIN_OFFSET, starts.get(gain));
            }
        }
        copy.weights().replacements().forEach((target, tensor) -> {
            set(target, LoraTable.REPLACEMENT_OFFSET, starts.get(tensor));
            set(target, LoraTable.REPLACEMENT_DTYPE, tensor.dtype().ordinal());
        });
        ops.upload(table.entries().rows(slot, slot + 1), entriesHost);
    }

    private void set(int target, int field, long value) {
        entriesHost.data().setAtIndex(ValueLayout.JAVA_LONG, (long) target * LoraTable.FIELDS + field, value);
    }

    // ---- any thread

    private void evict(Slot slot) {
        evictions += slot.version == null ? 0 : 1;
        clear(slot);
    }

    private void clear(Slot slot) {
        slot.ranges.forEach(range -> ranges.free(range.start(), range.bytes()));
        slot.ranges.clear();
        slot.version = null;
        slot.pinned = false;
    }

    /** A lease has ended that had this slot. */
    synchronized void leave(int slot) {
        if (--slots[slot].users < 0) {
            throw new IllegalStateException("slot %d has %d users".formatted(slot, slots[slot].users));
        }
    }

    /** A lease has ended that had no slot. */
    synchronized void forget(long ticket) {
        waiting.remove(ticket);
    }

    /** Frees what a version holds that nobody uses any more. */
    synchronized void drop(Version version) {
        int slot = find(version);
        if (slot >= 0) {
            if (slots[slot].users > 0) {
                throw new IllegalStateException("%s is in use by %d".formatted(version.id(), slots[slot].users));
            }
            clear(slots[slot]);
        }
    }
}
