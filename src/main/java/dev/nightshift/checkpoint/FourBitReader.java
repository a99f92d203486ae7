package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.quant.CodeBook;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.Optional;

/** bitsandbytes' 4-bit linears by their keys (qlora.md section 2.3). A linear is one of them iff its quant_state key exists. */
final class FourBitReader {
    private static final String STATE = ".weight.quant_state.bitsandbytes__";
    /** A stored code book may differ from ours by rounding only; kernels use their own. */
    private static final float MAP_TOLERANCE = 1e-6f;

    private final TensorFiles tensors;

    FourBitReader(TensorFiles tensors) {
        this.tensors = tensors;
    }

    /** Whether any linear of the checkpoint is stored in 4 bits. */
    static boolean isQuantised(TensorFiles tensors) {
        return tensors.all().keySet().stream().anyMatch(name -> name.contains(STATE));
    }

    /** A view of the linear of a module, if it is stored in 4 bits. */
    Optional<Weight.FourBit> read(String module, int rows, int columns) {
        for (FourBitCode code : FourBitCode.values()) {
            Optional<StoredTensor> state =
                    tensors.find(module + STATE + code.name().toLowerCase(Locale.ROOT));
            if (state.isPresent()) {
                return Optional.of(read(module, code, state.get(), rows, columns));
            }
        }
        return Optional.empty();
    }

    private Weight.FourBit read(String module, FourBitCode code, StoredTensor stateTensor, int rows, int columns) {
        JsonNode state = Json.object(stateTensor.name(), stateTensor.data().toArray(ValueLayout.JAVA_BYTE));
        Shape shape = shape(state);
        if (!shape.equals(Shape.of(rows, columns))) {
            throw invalid(stateTensor, "shape %s, the configuration needs [%d, %d]".formatted(shape, rows, columns));
        }
        int blockSize = Json.integer(state, "blocksize").orElse(0);
        if (blockSize < FourBitQuantiser.BLOCK_SIZE_MIN
                || blockSize > FourBitQuantiser.BLOCK_SIZE_MAX
                || Integer.bitCount(blockSize) != 1) {
            throw invalid(
                    stateTensor,
                    "blocksize %s is not supported; supported are powers of two from %d to %d"
                            .formatted(
                                    state.path("blocksize"),
                                    FourBitQuantiser.BLOCK_SIZE_MIN,
                                    FourBitQuantiser.BLOCK_SIZE_MAX));
        }
        checkCodeBook(module, code);
        StoredTensor weight = tensors.require(module + ".weight");
        long elements = (long) rows * columns;
        long bytes = (elements + 1) / 2;
        if (weight.data().byteSize() != bytes) {
            throw invalid(
                    weight,
                    "%d bytes of %s, 4-bit [%d, %d] needs %d"
                            .formatted(weight.data().byteSize(), weight.type(), rows, columns, bytes));
        }
        // quant_storage may call the bytes anything (bf16, f32): they are taken as they lie.
        Tensor packed = new Tensor(weight.data(), DType.U8, Shape.of(bytes));
        int blocks = Math.toIntExact((elements + blockSize - 1) / blockSize);
        return new Weight.FourBit(code, rows, columns, blockSize, packed, scales(module, state, stateTensor, blocks));
    }

    private BlockScales scales(String module, JsonNode state, StoredTensor stateTensor, int blocks) {
        StoredTensor absmax = tensors.require(module + ".weight.absmax");
        if (!Json.present(state, "nested_blocksize")) {
            return new BlockScales.Plain(floats(absmax, blocks));
        }
        if (absmax.type() != StoredType.U8 || absmax.shape().elements() != blocks) {
            throw invalid(absmax, "%s %s, nested absmax is U8 [%d]".formatted(absmax.type(), absmax.shape(), blocks));
        }
        int nestedBlockSize = Json.integer(state, "nested_blocksize").orElse(0);
        if (nestedBlockSize <= 0) {
            throw invalid(stateTensor, "nested_blocksize is " + state.get("nested_blocksize"));
        }
        float offset = (float) Json.number(state, "nested_offset").orElse(Double.NaN);
        if (!Float.isFinite(offset)) {
            throw invalid(stateTensor, "nested_offset is " + state.path("nested_offset"));
        }
        int nestedBlocks = (blocks + nestedBlockSize - 1) / nestedBlockSize;
        Tensor map = floats(tensors.require(module + ".weight.nested_quant_map"), 256);
        Tensor nested = floats(tensors.require(module + ".weight.nested_absmax"), nestedBlocks);
        Tensor codes = new Tensor(absmax.data(), DType.U8, Shape.of(blocks));
        return new BlockScales.Nested(codes, map, nested, nestedBlockSize, offset);
    }

    private static Shape shape(JsonNode state) {
        JsonNode node = state.path("shape");
        long[] axes = new long[node.size()];
        for (int i = 0; i < axes.length; i++) {
            axes[i] = Math.max(0, node.get(i).asLong());
        }
        return Shape.of(axes);
    }

    private void checkCodeBook(String module, FourBitCode code) {
        Optional<StoredTensor> stored = tensors.find(module + ".weight.quant_map");
        if (stored.isEmpty()) {
            return;
        }
        float[] map = floats(stored.get(), 16).data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        for (int i = 0; i < map.length; i++) {
            float ours = CodeBook.of(code).value(i);
            if (Math.abs(map[i] - ours) > MAP_TOLERANCE) {
                throw invalid(stored.get(), "code %d is %s, in %s it is %s".formatted(i, map[i], code, ours));
            }
        }
    }

    /** F32 values, as many as expected, none of them NaN or infinite. */
    private static Tensor floats(StoredTensor stored, int count) {
        if (stored.type() != StoredType.F32 || stored.shape().elements() != count) {
            throw invalid(stored, "%s %s, expected F32 [%d]".formatted(stored.type(), stored.shape(), count));
        }
        for (int i = 0; i < count; i++) {
            float value = stored.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
            if (!Float.isFinite(value)) {
                throw invalid(stored, "value %d is %s".formatted(i, value));
            }
        }
        return new Tensor(stored.data(), DType.F32, Shape.of(count));
    }

    static ServingException invalid(StoredTensor tensor, String what) {
        return new ServingException(
                ErrorCode.INVALID_REQUEST, "%s: tensor %s: %s".formatted(tensor.file(), tensor.name(), what));
    }
}
