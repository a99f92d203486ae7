package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;

/** {@code y = gain * (W x + scale * B (A x)) + bias}, or {@code R x + bias}; rows of one adapter go together. */
final class Linear {
    /** Elements of a matrix that are fp32 at a time: 16 MiB. */
    private static final int TILE_ELEMENTS_MAX = 1 << 22;

    /** Rows {@code from} (inclusive) to {@code to} of a matrix. */
    private interface RowTiles {
        INDArray rows(int from, int to);
    }

    private Linear() {}

    static void run(Tensor out, Tensor x, Nd4jWeight weight, Tensor bias, LoraRows lora) {
        if (x.shape().axis(0) == 0) {
            return;
        }
        INDArray input = HostArrays.array(x); // [rows, in]
        INDArray output = Nd4j.create(DataType.FLOAT, new long[] {input.size(0), weight.rows()}, 'c');
        int first = 0;
        for (int part = 0; part < weight.parts().size(); part++) {
            Weight matrix = weight.parts().get(part);
            INDArray slice = output.get(NDArrayIndex.all(), NDArrayIndex.interval(first, first + matrix.rows()));
            product(slice, input, matrix.columns(), (from, to) -> Nd4jWeight.rows(matrix, from, to));
            if (lora != null) {
                adapt(slice, input, lora, lora.firstTarget() + part);
            }
            first += matrix.rows();
        }
        if (bias != null) {
            output.addi(HostArrays.array(bias).reshape(1, weight.rows()));
        }
        HostArrays.store(out, output);
        input.close();
        output.close();
    }

    static int tileRows(int columns) {
        return Math.max(1, TILE_ELEMENTS_MAX / columns);
    }

    /** {@code out = x M^T}, M [out, columns] in tiles of rows. */
    private static void product(INDArray out, INDArray x, int columns, RowTiles matrix) {
        int outs = (int) out.size(1);
        int tileRows = tileRows(columns);
        for (int from = 0; from < outs; from += tileRows) {
            int to = Math.min(outs, from + tileRows);
            INDArray tile = matrix.rows(from, to);
            INDArray product = x.mmul(tile.transpose()); // [rows, in] -> [rows, to - from]
            out.get(NDArrayIndex.all(), NDArrayIndex.interval(from, to)).assign(product);
            product.close();
            tile.close();
        }
    }

    private static void adapt(INDArray output, INDArray input, LoraRows lora, int target) {
        int in = (int) input.size(1);
        int out = (int) output.size(1);
        for (Map.Entry<Integer, int[]> group : rowsBySlot(lora.rowSlots()).entrySet()) {
            LoraEntry entry = LoraEntry.of(lora.table(), group.getKey(), target);
            int[] rows = group.getValue();
            INDArray x = Nd4j.pullRows(input, 1, rows); // [adapter's rows, in]
            if (entry.replaces()) {
                INDArray y = Nd4j.create(DataType.FLOAT, new long[] {rows.length, out}, 'c');
                product(y, x, in, (from, to) -> entry.replacement(from, to, in));
                putRows(output, rows, y);
            } else if (entry.adapts()) {
                INDArray ax = x.mmul(entry.a(in).transpose()); // -> [adapter's rows, rank]
                INDArray y = ax.mmul(entry.b(out).transpose()).muli(entry.scale()); // -> [adapter's rows, out]
                y.addi(Nd4j.pullRows(output, 1, rows));
                INDArray gain = entry.gain(out);
                putRows(output, rows, gain == null ? y : y.muli(gain));
            }
        }
    }

    private static void putRows(INDArray target, int[] rows, INDArray values) {
        for (int i = 0; i < rows.length; i++) {
            target.getRow(rows[i]).assign(values.getRow(i));
        }
    }

    private static Map<Integer, int[]> rowsBySlot(Tensor rowSlots) {
        int[] slots = HostArrays.ints(rowSlots);
        Map<Integer, List<Integer>> groups = new TreeMap<>();
        for (int row = 0; row < slots.length; row++) {
            if (slots[row] >= 0) {
                groups.computeIfAbsent(slots[row], slot -> new ArrayList<>()).add(row);
            }
        }
        Map<Integer, int[]> rows = new TreeMap<>();
        groups.forEach((slot, list) ->
                rows.put(slot, list.stream().mapToInt(Integer::intValue).toArray()));
        return rows;
    }
}
