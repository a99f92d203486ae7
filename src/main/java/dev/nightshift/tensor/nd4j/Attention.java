package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.INDArrayIndex;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/**
 * Rotary embedding, the paged cache and attention. A block holds, for each layer, all keys then all values: [layers, 2,
 * blockTokens, kvHeads, headDim] F32.
 */
final class Attention {
    private Attention() {}

    static KvLayout layout(int layers, int kvHeads, int headDim, int blockTokens) {
        long elements = 2L * layers * blockTokens * kvHeads * headDim;
        return new KvLayout(layers, kvHeads, headDim, blockTokens, elements * Float.BYTES);
    }

    static void rope(Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, AttentionRows rows, AttentionShape shape) {
        HostArrays.store(qkv, rotated(qkv, qNorm, kNorm, epsilon, rows.cosSin(), shape));
    }

    /** {@code [x1, x2] -> [x1 cos - x2 sin, x2 cos + x1 sin]}, x1 and x2 the halves of a q or k head: [rows, heads, headDim]. */
    static INDArray rotated(
            Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        INDArray all = allHeads(qkv, shape);
        if (qNorm != null) {
            INDArray q = heads(all, 0, shape.heads());
            q.assign(normed(q, qNorm, epsilon));
            INDArray k = heads(all, shape.heads(), shape.heads() + shape.kvHeads());
            k.assign(normed(k, kNorm, epsilon));
        }
        return rotated(all, cosSin, shape, 1);
    }

    /** The transposed rotation, of gradients. */
    static INDArray rotatedBack(Tensor dqkv, Tensor cosSin, AttentionShape shape) {
        return rotated(allHeads(dqkv, shape), cosSin, shape, -1);
    }

    private static INDArray allHeads(Tensor qkv, AttentionShape shape) {
        int heads = shape.heads() + 2 * shape.kvHeads();
        return HostArrays.array(qkv).reshape('c', qkv.shape().axis(0), heads, shape.headDim());
    }

    private static INDArray rotated(INDArray all, Tensor cosSin, AttentionShape shape, int direction) {
        int half = shape.headDim() / 2;
        INDArray angles = HostArrays.array(cosSin).reshape('c', all.size(0), 1, shape.headDim());
        INDArray cos = halves(angles, 0, half);
        INDArray sin = halves(angles, half, 2 * half).mul(direction);
        INDArray turned = heads(all, 0, shape.heads() + shape.kvHeads());
        turned.assign(rotated(turned, cos, sin));
        return all;
    }

    private static INDArray heads(INDArray all, int from, int to) {
        return all.get(NDArrayIndex.all(), NDArrayIndex.interval(from, to), NDArrayIndex.all());
    }

    private static INDArray halves(INDArray heads, int from, int to) {
        return heads.get(NDArrayIndex.all(), NDArrayIndex.all(), NDArrayIndex.interval(from, to));
    }

    private static INDArray normed(INDArray heads, Tensor weight, float epsilon) {
        long[] shape = heads.shape();
        INDArray rows = heads.dup('c').reshape('c', shape[0] * shape[1], shape[2]);
        return Nd4jOps.normed(rows, HostArrays.array(weight), epsilon).reshape('c', shape);
    }

    private static INDArray rotated(INDArray heads, INDArray cos, INDArray sin) {
        int half = (int) heads.size(2) / 2;
        INDArray first = halves(heads, 0, half);
        INDArray second = halves(heads, half, 2 * half);
        INDArray out = heads.dup('c');
        INDArrayIndex all = NDArrayIndex.all();
        out.get(all, all, NDArrayIndex.interval(0, half)).assign(first.mul(cos).sub(second.mul(sin)));
        out.get(all, all, NDArrayIndex.interval(half, 2 * half))
                .assign(second.mul(cos).add(first.mul(sin)));
        return out;
    }

    /** k and v of each row to its slot. */
    static void store(
            Tensor qkv, AttentionRows rows, AttentionShape shape, Tensor kvCache, KvLayout layout, int layer) {
        int[] slots = HostArrays.ints(rows.slots());
        long rowBytes = qkv.shape().axis(1) * Float.BYTES;
        long keysAt = (long) shape.heads() * shape.headDim() * Float.BYTES;
        long bytes = tokenBytes(layout);
        for (int row = 0; row < slots.length; row++) {
            if (slots[row] >= 0) {
                long source = row * rowBytes + keysAt;
                long keys = cacheOffset(layout, slots[row], layer, 0);
                long values = cacheOffset(layout, slots[row], layer, 1);
                MemorySegment.copy(qkv.data(), source, kvCache.data(), keys, bytes);
                MemorySegment.copy(qkv.data(), source + bytes, kvCache.data(), values, bytes);
            }
        }
    }

    private static long tokenBytes(KvLayout layout) {
        return (long) layout.kvHeads() * layout.headDim() * Float.BYTES;
    }

    /** @param which 0 = keys, 1 = values */
    private static long cacheOffset(KvLayout layout, int slot, int layer, int which) {
        long token = (2L * layer + which) * layout.blockTokens() + slot % layout.blockTokens();
        return slot / layout.blockTokens() * layout.blockBytes() + token * tokenBytes(layout);
    }

    /** Rows of one sequence, which are neighbours, go together. */
    static void attend(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        int[] sequences = HostArrays.ints(rows.sequences());
        int[] positions = HostArrays.ints(rows.positions());
        out.data().fill((byte) 0);
        int from = 0;
        while (from < sequences.length) {
            int to = from + 1;
            while (to < sequences.length && sequences[to] == sequences[from]) {
                to++;
            }
            if (sequences[from] >= 0) {
                int[] table = HostArrays.ints(rows.blockTables().rows(sequences[from], sequences[from] + 1));
                int[] queried = Arrays.copyOfRange(positions, from, to);
                sequence(out.rows(from, to), qkv.rows(from, to), queried, table, shape, kvCache, layout, layer);
            }
            from = to;
        }
    }

    private static void sequence(
            Tensor out,
            Tensor qkv,
            int[] positions,
            int[] table,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        int rows = positions.length;
        int group = shape.heads() / shape.kvHeads();
        int first = shape.window() == 0 ? 0 : Math.max(0, positions[0] - shape.window() + 1);
        int last = positions[rows - 1];
        INDArray q = HostArrays.array(qkv).reshape('c', rows, shape.heads() + 2 * shape.kvHeads(), shape.headDim());
        INDArray keys = cached(table, first, last, kvCache, layout, layer, 0);
        INDArray values = cached(table, first, last, kvCache, layout, layer, 1);
        INDArray bias = causalBias(positions, first, last, shape.window());
        INDArray result = q.get(NDArrayIndex.all(), NDArrayIndex.interval(0, shape.heads()), NDArrayIndex.all())
                .dup('c');
        for (int head = 0; head < shape.heads(); head++) {
            INDArrayIndex kvHead = NDArrayIndex.point(head / group);
            INDArray k =
                    keys.get(NDArrayIndex.all(), kvHead, NDArrayIndex.all()).dup('c'); // [keys, headDim]
            INDArray v =
                    values.get(NDArrayIndex.all(), kvHead, NDArrayIndex.all()).dup('c');
            INDArrayIndex[] own = {NDArrayIndex.all(), NDArrayIndex.point(head), NDArrayIndex.all()};
            INDArray query = q.get(own).dup('c').reshape('c', rows, shape.headDim());
            INDArray scores = query.mmul(k.transpose()).muli(shape.scale()).addi(bias); // [rows, keys]
            result.get(own).assign(softmax(scores).mmul(v).reshape('c', rows, shape.headDim()));
        }
        HostArrays.store(out, result);
    }

    /** {@code exp(x - max) / sum} of each row. */
    private static INDArray softmax(INDArray scores) {
        INDArray weights = Transforms.exp(scores.subiColumnVector(scores.max(true, 1)), false);
        return weights.diviColumnVector(weights.sum(true, 1));
    }

    /** 0 where the row may see the key, -infinity elsewhere: [rows, last - first + 1]. */
    private static INDArray causalBias(int[] positions, int first, int last, int window) {
        int keys = last - first + 1;
        float[] bias = new float[positions.length * keys];
        Arrays.fill(bias, Float.NEGATIVE_INFINITY);
        for (int row = 0; row < positions.length; row++) {
            int from = window == 0 ? first : Math.max(first, positions[row] - window + 1);
            Arrays.fill(bias, row * keys + from - first, row * keys + positions[row] - first + 1, 0f);
        }
        return HostArrays.array(bias, positions.length, keys);
    }

    /** Keys or values of positions first..last: [last - first + 1, kvHeads, headDim]. */
    private static INDArray cached(
            int[] table, int first, int last, Tensor kvCache, KvLayout layout, int layer, int which) {
        int size = layout.kvHeads() * layout.headDim();
        float[] gathered = new float[(last - first + 1) * size];
        for (int position = first; position <= last; position++) {
            int slot = table[position / layout.blockTokens()] * layout.blockTokens() + position % layout.blockTokens();
            long offset = cacheOffset(layout, slot, layer, which);
            MemorySegment.copy(kvCache.data(), HostArrays.F32, offset, gathered, (position - first) * size, size);
        }
        return HostArrays.array(gathered, last - first + 1, layout.kvHeads(), layout.headDim());
    }
}
