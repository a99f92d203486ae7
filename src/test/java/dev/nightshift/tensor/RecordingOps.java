package dev.nightshift.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Passes every operation on to another backend and writes down its name with the address, type and shape of each operand, its
 * constants included: what a recorded graph would hold. Two steps that write the same lines can be one graph.
 *
 * <p>Transfers are written down apart, without the host's side: they feed a graph's replay.
 */
public final class RecordingOps implements TensorOps {
    private final TensorOps ops;
    private final List<String> calls = new ArrayList<>();
    private final List<String> transfers = new ArrayList<>();
    private int allocations;

    public RecordingOps(TensorOps ops) {
        this.ops = ops;
    }

    /** Operations since the last {@link #clear}, one a line. */
    public List<String> calls() {
        return List.copyOf(calls);
    }

    /** Uploads and readbacks since the last {@link #clear}: direction and the backend's operand. */
    public List<String> transfers() {
        return List.copyOf(transfers);
    }

    /** Allocations and prepared weights since the last {@link #clear}; a step makes none. */
    public int allocations() {
        return allocations;
    }

    public void clear() {
        calls.clear();
        transfers.clear();
        allocations = 0;
    }

    private void record(String operation, Object... operands) {
        calls.add(operation + Stream.of(operands).map(RecordingOps::text).collect(Collectors.joining(", ", "(", ")")));
    }

    private static String text(Object operand) {
        return switch (operand) {
            case null -> "null";
            case Tensor tensor ->
                "%s%s@%x"
                        .formatted(tensor.dtype(), tensor.shape(), tensor.data().address());
            case Weight weight -> "weight#%x".formatted(System.identityHashCode(weight));
            // records of operands (LoraRows, AttentionRows, SamplingRows, TokenScores) and of constants
            case Record operands -> components(operands);
            default -> operand.toString();
        };
    }

    private static String components(Record operands) {
        return Stream.of(operands.getClass().getRecordComponents())
                .map(component -> {
                    try {
                        component.getAccessor().setAccessible(true);
                        return text(component.getAccessor().invoke(operands));
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(operands.getClass() + "." + component.getName(), e);
                    }
                })
                .collect(Collectors.joining(", ", operands.getClass().getSimpleName() + "[", "]"));
    }

    @Override
    public String name() {
        return ops.name();
    }

    @Override
    public String description() {
        return ops.description();
    }

    @Override
    public Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        allocations++;
        return ops.allocate(part, dtype, shape);
    }

    @Override
    public long allocatedBytes(MemoryPart part) {
        return ops.allocatedBytes(part);
    }

    @Override
    public Weight prepare(Weight weight) {
        allocations++;
        return ops.prepare(weight);
    }

    @Override
    public KvLayout kvLayout(int layers, int kvHeads, int headDim, int blockTokens) {
        return ops.kvLayout(layers, kvHeads, headDim, blockTokens);
    }

    @Override
    public void upload(Tensor target, Tensor source) {
        transfers.add("upload(" + text(target) + ")");
        ops.upload(target, source);
    }

    @Override
    public void readback(Tensor target, Tensor source) {
        transfers.add("readback(" + text(source) + ")");
        ops.readback(target, source);
    }

    @Override
    public void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        record("embed", out, table, ids, lora);
        ops.embed(out, table, ids, lora);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon) {
        record("rmsNorm", out, x, weight, epsilon);
        ops.rmsNorm(out, x, weight, epsilon);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {
        record("addRmsNorm", out, residual, x, weight, epsilon);
        ops.addRmsNorm(out, residual, x, weight, epsilon);
    }

    @Override
    public void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora) {
        record("linear", out, x, weight, bias, lora);
        ops.linear(out, x, weight, bias, lora);
    }

    @Override
    public void ropeAndStore(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            float epsilon,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        record("ropeAndStore", qkv, qNorm, kNorm, epsilon, rows, shape, kvCache, layout, layer);
        ops.ropeAndStore(qkv, qNorm, kNorm, epsilon, rows, shape, kvCache, layout, layer);
    }

    @Override
    public void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        record("attention", out, qkv, rows, shape, kvCache, layout, layer);
        ops.attention(out, qkv, rows, shape, kvCache, layout, layer);
    }

    @Override
    public void swiGlu(Tensor out, Tensor gateUp) {
        record("swiGlu", out, gateUp);
        ops.swiGlu(out, gateUp);
    }

    @Override
    public void gatherRows(Tensor out, Tensor x, Tensor indices) {
        record("gatherRows", out, x, indices);
        ops.gatherRows(out, x, indices);
    }

    @Override
    public void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        record("sample", out, logits, rows);
        ops.sample(out, logits, rows);
    }

    @Override
    public void score(TokenScores out, Tensor logits) {
        record("score", out, logits);
        ops.score(out, logits);
    }

    @Override
    public void close() {
        ops.close();
    }
}
