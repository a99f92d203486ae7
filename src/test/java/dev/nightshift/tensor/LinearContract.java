package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code linear} over every kind of weight, without adapters. */
interface LinearContract extends ContractSubject {

    /** Runs one linear and compares it with the loops; the weight is a host weight. */
    default float[] checkLinear(String what, float[] x, Weight weight, float[] bias) {
        Scene scene = scene();
        int rows = x.length / weight.columns();
        Tensor out = scene.output(rows, weight.rows());
        Tensor biases = bias == null ? null : scene.f32(bias, bias.length);
        scene.ops()
                .linear(out, scene.f32(x, rows, weight.columns()), scene.ops().prepare(weight), biases, null);
        float[] got = scene.floats(out);
        ScalarFormulas.linear(
                        x, weight.columns(), TestWeights.values(weight), List.of(weight.rows()), bias, null, null, 0)
                .assertMatches(got, what);
        return got;
    }

    /** Rows, outputs, inputs: odd ones, one, and just beside powers of two. */
    @ParameterizedTest
    @CsvSource({
        "1, 1, 1",
        "1, 13, 207",
        "13, 1, 1021",
        "1, 1021, 4098",
        "2, 207, 13",
        "13, 207, 1021",
        "207, 13, 4098",
        "1, 4098, 13"
    })
    default void linearOverDenseOfEveryType(int rows, int outs, int columns) {
        Random random = random("dense" + rows + outs + columns);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            float[] x = HostTensors.normal(random, rows * columns, 1);
            float[] bias = HostTensors.normal(random, outs, 1);
            checkLinear(dtype + " " + rows, x, TestWeights.dense(random, dtype, outs, columns), bias);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 64",
        "1, 13, 207",
        "13, 1, 1021",
        "1, 1021, 4098",
        "2, 207, 13",
        "13, 207, 1021",
        "207, 13, 4098",
        "64, 128, 256"
    })
    default void linearOverFourBit(int rows, int outs, int columns) {
        Random random = random("fourBit" + rows + outs + columns);
        for (FourBitCode code : FourBitCode.values()) {
            float[] x = HostTensors.normal(random, rows * columns, 1);
            checkLinear(code + " plain", x, TestWeights.plain(random, code, outs, columns, 64), null);
            checkLinear(code + " nested", x, TestWeights.nested(random, code, outs, columns, 64), null);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64, 128, 256, 512, 1024, 2048, 4096})
    default void linearOverFourBitOfEveryBlockSize(int blockSize) {
        Random random = random("blockSize" + blockSize);
        // 1021 columns: every block but the first crosses a row; 1024: none of the small ones does
        for (int columns : new int[] {1021, 1024}) {
            for (int rows : new int[] {1, 13}) {
                float[] x = HostTensors.normal(random, rows * columns, 1);
                String what = "block %d, %d columns".formatted(blockSize, columns);
                checkLinear(what, x, TestWeights.nested(random, FourBitCode.NF4, 37, columns, blockSize), null);
                checkLinear(what, x, TestWeights.plain(random, FourBitCode.FP4, 37, columns, blockSize), null);
            }
        }
    }

    @Test
    default void linearOverFusedPartsThatKeepTheirOwnScales() {
        Random random = random("fused");
        int columns = 207;
        Weight weight = new Weight.Fused(List.of(
                TestWeights.nested(random, FourBitCode.NF4, 45, columns, 64),
                TestWeights.dense(random, DType.BF16, 13, columns),
                TestWeights.plain(random, FourBitCode.FP4, 14, columns, 128),
                TestWeights.dense(random, DType.F32, 1, columns)));
        for (int rows : new int[] {1, 5, 33}) {
            float[] x = HostTensors.normal(random, rows * columns, 1);
            checkLinear("fused", x, weight, HostTensors.normal(random, weight.rows(), 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    default void dequantisesEveryCodeExactly(FourBitCode code) {
        Random random = random("unit" + code);
        int size = 207;
        // unit vectors pick single weights, so nothing is rounded and the output is the dequantised value itself
        float[] x = new float[size * size];
        for (int i = 0; i < size; i++) {
            x[i * size + i] = 1;
        }
        Weight weight = TestWeights.nested(random, code, 33, size, 64);
        float[] got = checkLinear("unit vectors", x, weight, null);
        float[] values = TestWeights.values(weight);
        for (int i = 0; i < size; i++) {
            for (int o = 0; o < 33; o++) {
                assertThat(got[i * 33 + o] + 0f).isEqualTo(values[o * size + i] + 0f);
            }
        }
    }

    @Test
    default void linearOverBoundaryValues() {
        Random random = random("linearBoundary");
        int columns = 257;
        Weight weight = TestWeights.nested(random, FourBitCode.NF4, 31, columns, 64);
        for (float value : new float[] {0f, -0f, 1e30f, -1e30f, 1e-30f, Float.MIN_VALUE}) {
            float[] x = new float[3 * columns];
            Arrays.fill(x, columns, 2 * columns, value);
            checkLinear("all " + value, x, weight, null);
            x = HostTensors.normal(random, 3 * columns, 1);
            x[columns + 100] = value;
            checkLinear("one " + value, x, weight, null);
        }
    }

    @Test
    default void aRowOfNanSpoilsNoOtherRow() {
        Random random = random("linearNan");
        int columns = 129;
        Weight weight = TestWeights.nested(random, FourBitCode.NF4, 31, columns, 64);
        float[] x = HostTensors.normal(random, 7 * columns, 1);
        Arrays.fill(x, 3 * columns, 4 * columns, Float.NaN);
        checkLinear("row 3 is NaN", x, weight, null);
    }
}
