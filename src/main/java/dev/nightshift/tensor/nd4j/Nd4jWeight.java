package dev.nightshift.tensor.nd4j;

import dev.nightshift.quant.CodeBook;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.nd4j.linalg.api.ndarray.INDArray;

/** A weight as the checkpoint stores it, in this backend's memory; rows become fp32 when they are asked for. */
record Nd4jWeight(List<Weight> parts, int rows, int columns) implements Weight.Prepared {

    static Nd4jWeight of(Weight weight, HostMemory memory) {
        List<Weight> parts = weight instanceof Weight.Fused fused ? fused.parts() : List.of(weight);
        return new Nd4jWeight(parts.stream().map(part -> copy(part, memory)).toList(), weight.rows(), weight.columns());
    }

    private static Weight copy(Weight part, HostMemory memory) {
        return switch (part) {
            case Weight.Dense dense -> new Weight.Dense(memory.copy(MemoryPart.WEIGHTS, dense.values()));
            case Weight.FourBit fourBit ->
                new Weight.FourBit(
                        fourBit.code(),
                        fourBit.rows(),
                        fourBit.columns(),
                        fourBit.blockSize(),
                        memory.copy(MemoryPart.WEIGHTS, fourBit.packed()),
                        copy(fourBit.scales(), memory));
            case Weight.Fused fused -> throw new IllegalStateException("a fused weight inside a fused one: " + fused);
            case Weight.Prepared prepared -> throw new IllegalStateException("prepared before: " + prepared);
        };
    }

    private static BlockScales copy(BlockScales scales, HostMemory memory) {
        return switch (scales) {
            case BlockScales.Plain plain -> new BlockScales.Plain(memory.copy(MemoryPart.WEIGHTS, plain.absmax()));
            case BlockScales.Nested nested ->
                new BlockScales.Nested(
                        memory.copy(MemoryPart.WEIGHTS, nested.codes()),
                        memory.copy(MemoryPart.WEIGHTS, nested.map()),
                        memory.copy(MemoryPart.WEIGHTS, nested.nestedAbsmax()),
                        nested.nestedBlockSize(),
                        nested.offset());
        };
    }

    /** What {@link Nd4jOps#prepare} made, or a complaint. */
    static Nd4jWeight prepared(Weight weight) {
        if (weight instanceof Nd4jWeight own) {
            return own;
        }
        throw new IllegalStateException("weight is a %s, expected one that backend nd4j prepared"
                .formatted(weight.getClass().getSimpleName()));
    }

    /** Rows {@code from} (inclusive) to {@code to} of a part: [to - from, columns] fp32. */
    static INDArray rows(Weight part, int from, int to) {
        int columns = part.columns();
        return switch (part) {
            case Weight.Dense dense ->
                HostArrays.array(
                        HostArrays.floats(
                                dense.values().data(),
                                (long) from * columns * dense.values().dtype().bytes(),
                                dense.values().dtype(),
                                (to - from) * columns),
                        to - from,
                        columns);
            case Weight.FourBit fourBit -> dequantised(fourBit, from, to);
            case Weight.Fused fused -> throw new IllegalStateException("rows of a fused weight: " + fused);
            case Weight.Prepared prepared -> throw new IllegalStateException("rows of " + prepared);
        };
    }

    /** {@code level[code] * absmax[block]}, one rounding, blocks counted over the flattened weight. */
    private static INDArray dequantised(Weight.FourBit weight, int from, int to) {
        long first = (long) from * weight.columns();
        int count = (to - from) * weight.columns();
        CodeBook book = CodeBook.of(weight.code());
        float[] levels = new float[count];
        float[] absmax = new float[count];
        long block = -1;
        float scale = 0;
        for (int i = 0; i < count; i++) {
            long element = first + i;
            int packed = weight.packed().data().get(ValueLayout.JAVA_BYTE, element / 2);
            levels[i] = book.value((element % 2 == 0 ? packed >> 4 : packed) & 15);
            if (element / weight.blockSize() != block) {
                block = element / weight.blockSize();
                scale = absmax(weight.scales(), block);
            }
            absmax[i] = scale;
        }
        long[] shape = {to - from, weight.columns()};
        return HostArrays.array(levels, shape).muli(HostArrays.array(absmax, shape));
    }

    private static float absmax(BlockScales scales, long block) {
        return switch (scales) {
            case BlockScales.Plain plain -> plain.absmax().data().getAtIndex(HostArrays.F32, block);
            case BlockScales.Nested nested -> {
                Tensor codes = nested.codes();
                int code = codes.data().get(ValueLayout.JAVA_BYTE, block) & 0xFF;
                float scaled = nested.map().data().getAtIndex(HostArrays.F32, code)
                        * nested.nestedAbsmax().data().getAtIndex(HostArrays.F32, block / nested.nestedBlockSize());
                yield scaled + nested.offset();
            }
        };
    }
}
