package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;

/** Operations that treat every row for itself: embedding, norms, gating, picking of rows. */
final class Rows {
    /** Below so many floats waking the team costs more than it saves. */
    private static final long ALONE = 8_192;

    private final Workers workers;
    private final RowLanes lanes;
    private final float[][] partials;
    private final Workers.Job normJob = this::norm;
    private final Workers.Job swiGluJob = this::swiGlu;
    private final Workers.Job gatherJob = this::gather;
    private final Workers.Job embedJob = this::embed;

    private long out;
    private long x;
    private long residual;
    private long weight;
    private float epsilon;
    private int width;
    private int sources;
    private long indices;
    private Weight table;
    private LoraRows lora;

    Rows(Workers workers, RowLanes lanes) {
        this.workers = workers;
        this.lanes = lanes;
        partials = new float[workers.threads()][RowLanes.PARTIALS];
    }

    private void run(Workers.Job job, int rows, long floats) {
        if (floats < ALONE) {
            for (int row = 0; row < rows; row++) {
                job.run(row, 0);
            }
        } else {
            workers.run(job, rows);
        }
    }

    /** One row's norm; x and out may be the same. */
    static void norm(RowLanes lanes, long out, long x, long weight, int width, float epsilon, float[] partials) {
        double squares = lanes.dot(DType.F32, x, x, width, partials);
        lanes.scale(out, x, (float) (1 / Math.sqrt(squares / width + epsilon)), weight, width);
    }

    /** {@code residual} null: a plain norm of x. */
    void rmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {
        this.out = Raw.address(out);
        this.x = Raw.address(x);
        this.residual = residual == null ? 0 : Raw.address(residual);
        this.weight = Raw.address(weight);
        this.epsilon = epsilon;
        width = Math.toIntExact(x.shape().axis(1));
        run(normJob, Math.toIntExact(x.shape().axis(0)), x.shape().elements());
    }

    private void norm(int row, int thread) {
        long offset = 4L * row * width;
        long from = x + offset;
        if (residual != 0) {
            lanes.add(residual + offset, from, width);
            from = residual + offset;
        }
        norm(lanes, out + offset, from, weight, width, epsilon, partials[thread]);
    }

    void swiGlu(Tensor out, Tensor gateUp) {
        this.out = Raw.address(out);
        x = Raw.address(gateUp);
        width = Math.toIntExact(out.shape().axis(1));
        run(swiGluJob, Math.toIntExact(out.shape().axis(0)), 4 * out.shape().elements());
    }

    private void swiGlu(int row, int thread) {
        long gate = x + 8L * row * width;
        lanes.swiGlu(out + 4L * row * width, gate, gate + 4L * width, width);
    }

    void gatherRows(Tensor out, Tensor x, Tensor indices) {
        this.out = Raw.address(out);
        this.x = Raw.address(x);
        this.indices = Raw.address(indices);
        width = Math.toIntExact(x.shape().axis(1));
        sources = Math.toIntExact(x.shape().axis(0));
        run(gatherJob, Math.toIntExact(out.shape().axis(0)), out.shape().elements());
    }

    private void gather(int row, int thread) {
        int index = index(row);
        long to = out + 4L * row * width;
        if (index < 0) {
            Raw.fill(to, 4L * width);
        } else {
            Raw.copy(x + 4L * index * width, to, 4L * width);
        }
    }

    private int index(int row) {
        int index = Raw.i32(indices + 4L * row);
        if (index >= sources) {
            throw new IllegalStateException("row %d asks for row %d of %d".formatted(row, index, sources));
        }
        return index;
    }

    void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        this.out = Raw.address(out);
        indices = Raw.address(ids);
        this.table = table;
        this.lora = lora;
        width = table.columns();
        sources = table.rows();
        run(embedJob, Math.toIntExact(ids.shape().elements()), out.shape().elements());
    }

    private void embed(int row, int thread) {
        int id = index(row);
        long to = out + 4L * row * width;
        if (id < 0) {
            Raw.fill(to, 4L * width);
            return;
        }
        long replacement = lora == null ? 0 : Adapters.replacement(lora, row);
        if (replacement != 0) {
            DType dtype = Adapters.replacementType(lora, row);
            for (int k = 0; k < width; k++) {
                Raw.f32(to + 4L * k, Raw.element(dtype, replacement, (long) id * width + k));
            }
            return;
        }
        switch (table) {
            case PreparedWeight prepared -> {
                int part = 0;
                while (id >= prepared.firstRow(part) + prepared.part(part).rows()) {
                    part++;
                }
                Tiles tiles = prepared.part(part);
                int tableRow = id - prepared.firstRow(part);
                tiles.row(tableRow, to);
            }
            case Weight.Dense dense -> embed(dense.values(), id, to);
            case Weight.FourBit fourBit -> embed(fourBit, id, to);
            case Weight.Fused fused -> throw new UnsupportedOperationException("embedding from a fused weight");
            case Weight.Prepared other ->
                throw new IllegalStateException("weight prepared by another backend: " + other.getClass());
        }
    }

    private void embed(Tensor values, int id, long to) {
        for (int k = 0; k < width; k++) {
            long index = (long) id * width + k;
            float value = switch (values.dtype()) {
                case F32 -> values.data().get(Raw.F32, 4 * index);
                case BF16 -> Float.intBitsToFloat(values.data().get(Raw.I16, 2 * index) << 16);
                case F16 -> Float.float16ToFloat(values.data().get(Raw.I16, 2 * index));
                case I64, I32, U8 -> throw new UnsupportedOperationException("embedding of type " + values.dtype());
            };
            Raw.f32(to + 4L * k, value);
        }
    }

    private void embed(Weight.FourBit fourBit, int id, long to) {
        int[] codes = CodeTable.of(fourBit.code()).values();
        for (int k = 0; k < width; k++) {
            long index = (long) id * width + k;
            int pair = fourBit.packed().data().get(ValueLayout.JAVA_BYTE, index / 2);
            int code = ((index & 1) == 0 ? pair >> 4 : pair) & 15;
            float absmax = TilePacker.absmax(fourBit.scales(), index / fourBit.blockSize());
            Raw.f32(to + 4L * k, Float.intBitsToFloat(codes[code]) * absmax);
        }
    }
}
