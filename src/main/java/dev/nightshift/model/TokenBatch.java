package dev.nightshift.model;

import dev.nightshift.model.Staging.Staged;
import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The rows of one step, in the fixed tensors of its bucket. The engine writes them on the host with {@link #clear} and the
 * methods after it; {@link Llama#forward} uploads them. Rows of one sequence are neighbours in order of position.
 */
public final class TokenBatch {
    private final int rows;
    private final int sequences;
    private final int logitRows;
    private final int blocksPerSequence;
    private final RopeTable rope;
    private final Staged ids;
    private final Staged positions;
    private final Staged sequenceOfRow;
    private final Staged slots;
    private final Staged adapters;
    private final Staged logitIndices;
    private final Staged logitAdapters;
    private final Staged blockTables;
    private final Staged cosSin;

    final Staging.Plan plan;
    final Workspace workspace;
    final AttentionRows attentionRows;
    final LoraRows embeddingLora;
    final LoraRows headLora;
    /** Of each layer: q k v, output, gate up, down. */
    final LoraRows[][] layerLora;

    TokenBatch(
            ModelConfig config,
            BatchLimits limits,
            RopeTable rope,
            LoraTable lora,
            Staging staging,
            Workspace largest,
            int rows,
            int sequences,
            int logitRows) {
        this.rows = rows;
        this.sequences = sequences;
        this.logitRows = logitRows;
        this.blocksPerSequence = limits.blocksPerSequence();
        this.rope = rope;
        this.plan = staging.plan();
        this.ids = plan.tensor(DType.I32, rows);
        this.positions = plan.tensor(DType.I32, rows);
        this.sequenceOfRow = plan.tensor(DType.I32, rows);
        this.slots = plan.tensor(DType.I32, rows);
        this.adapters = plan.tensor(DType.I32, rows);
        this.logitIndices = plan.tensor(DType.I32, logitRows);
        this.logitAdapters = plan.tensor(DType.I32, logitRows);
        this.blockTables = plan.tensor(DType.I32, sequences, blocksPerSequence);
        this.cosSin = plan.tensor(DType.F32, rows, config.headDim());
        plan.seal();
        this.workspace = largest.first(rows, logitRows);
        this.attentionRows = new AttentionRows(
                positions.device(), sequenceOfRow.device(), slots.device(), blockTables.device(), cosSin.device());
        this.layerLora = new LoraRows[config.layers()][];
        if (lora == null) {
            this.embeddingLora = null;
            this.headLora = null;
            for (int layer = 0; layer < config.layers(); layer++) {
                layerLora[layer] = new LoraRows[4];
            }
            return;
        }
        this.embeddingLora = lora(lora, adapters, LoraTargets.embedding(config.layers()), rows, 1);
        this.headLora = lora(lora, logitAdapters, LoraTargets.head(config.layers()), logitRows, 1);
        for (int layer = 0; layer < config.layers(); layer++) {
            layerLora[layer] = new LoraRows[] {
                lora(lora, adapters, LoraTargets.of(layer, LoraTargets.Q), rows, 3),
                lora(lora, adapters, LoraTargets.of(layer, LoraTargets.O), rows, 1),
                lora(lora, adapters, LoraTargets.of(layer, LoraTargets.GATE), rows, 2),
                lora(lora, adapters, LoraTargets.of(layer, LoraTargets.DOWN), rows, 1)
            };
        }
    }

    static long bytesMax(ModelConfig config, BatchLimits limits) {
        return 5 * Staging.bytes(DType.I32, limits.rows())
                + 2 * Staging.bytes(DType.I32, limits.logitRows())
                + Staging.bytes(DType.I32, limits.sequences(), limits.blocksPerSequence())
                + Staging.bytes(DType.F32, limits.rows(), config.headDim());
    }

    private LoraRows lora(LoraTable table, Staged rowSlots, int target, int count, int parts) {
        return new LoraRows(table, rowSlots.device(), target, workspace.scratch(count, parts));
    }

    public int rows() {
        return rows;
    }

    public int sequences() {
        return sequences;
    }

    public int logitRows() {
        return logitRows;
    }

    /** [logitRows, vocab] F32, valid after {@link Llama#forward}. */
    public Tensor logits() {
        return workspace.logits();
    }

    /** Every row is padding. */
    public void clear() {
        // All bits set is -1; a padding row has no token, no sequence and writes no key.
        fill(ids, -1);
        fill(positions, 0);
        fill(sequenceOfRow, -1);
        fill(slots, -1);
        fill(adapters, -1);
        fill(logitIndices, -1);
        fill(logitAdapters, -1);
    }

    private static void fill(Staged staged, int value) {
        staged.host().fill((byte) value);
    }

    /**
     * @param sequence index of the sequence within this batch
     * @param slot where the row's key and value go: block * blockTokens + offset
     * @param adapter slot of its adapter, -1 = base
     * @param promptTokens length of its prompt, for {@link RopeTable}
     */
    public void row(int row, int id, int position, int sequence, int slot, int adapter, int promptTokens) {
        set(ids, row, id);
        set(positions, row, position);
        set(sequenceOfRow, row, sequence);
        set(slots, row, slot);
        set(adapters, row, adapter);
        rope.write(cosSin.host(), row, position, promptTokens);
    }

    /** The first {@code count} blocks of a sequence. */
    public void blocks(int sequence, int[] blocks, int count) {
        if (count > blocksPerSequence) {
            throw new IllegalStateException("%d blocks in a table of %d".formatted(count, blocksPerSequence));
        }
        MemorySegment.copy(
                blocks,
                0,
                blockTables.host(),
                ValueLayout.JAVA_INT,
                (long) sequence * blocksPerSequence * Integer.BYTES,
                count);
    }

    /** Row {@code index} of the logits belongs to {@code row}. */
    public void logitRow(int index, int row, int adapter) {
        set(logitIndices, index, row);
        set(logitAdapters, index, adapter);
    }

    Tensor ids() {
        return ids.device();
    }

    Tensor logitIndices() {
        return logitIndices.device();
    }

    private static void set(Staged staged, int index, int value) {
        staged.host().setAtIndex(ValueLayout.JAVA_INT, index, value);
    }
}
