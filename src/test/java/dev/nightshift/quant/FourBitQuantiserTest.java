package dev.nightshift.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FourBitQuantiserTest {
    @Test
    void anAllZeroBlockHasCodeSeven() {
        Weight.FourBit weight = quantise(new FourBitQuantiser(FourBitCode.NF4, 64, true), new float[4 * 64], 4);
        assertThat(weight.packed().data().toArray(ValueLayout.JAVA_BYTE)).containsOnly((byte) 0x77);
        assertThat(FourBitDequantiser.dequantise(weight)).containsOnly(0.0f);
    }

    @ParameterizedTest
    @EnumSource(FourBitCode.class)
    void everyCodeValueSurvives(FourBitCode code) {
        float[] values = new float[64];
        for (int i = 0; i < values.length; i++) {
            values[i] = CodeBook.of(code).value(i % 16) * 0.5f;
        }
        Weight.FourBit weight = quantise(new FourBitQuantiser(code, 64, false), values, 1);
        assertThat(FourBitDequantiser.dequantise(weight)).isEqualTo(values);
    }

    @ParameterizedTest
    @EnumSource(FourBitCode.class)
    void theBinnedSearchDecidesAsTheThresholdsDo(FourBitCode code) {
        CodeBook book = CodeBook.of(code);
        float[] thresholds = book.thresholds();
        for (int i = 0; i < thresholds.length; i++) {
            assertThat(book.code(thresholds[i])).isEqualTo(book.code(Math.nextDown(thresholds[i])));
            assertThat(book.code(thresholds[i])).isNotEqualTo(book.code(Math.nextUp(thresholds[i])));
        }
        Random random = new Random(7);
        for (int n = 0; n < 200_000; n++) {
            float x = random.nextFloat(-1.1f, 1.1f);
            float nearest = Float.MAX_VALUE;
            for (float value : book.values()) {
                nearest = Math.min(nearest, Math.abs(value - Math.clamp(x, -1f, 1f)));
            }
            float distance = Math.abs(book.value(book.code(x)) - Math.clamp(x, -1f, 1f));
            assertThat(distance).isLessThanOrEqualTo(nearest + 1e-6f);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64, 128, 256, 512, 1024, 2048, 4096})
    void blocksRunAcrossRowsAndTheLastMayBeShort(int blockSize) {
        int rows = 13;
        int columns = 1021;
        float[] values = normal(rows * columns, 11);
        Weight.FourBit weight = quantise(new FourBitQuantiser(FourBitCode.NF4, blockSize, false), values, rows);
        float[] absmax = DoubleQuantisation.absmax(weight.scales());
        assertThat(absmax).hasSize((values.length + blockSize - 1) / blockSize);
        float[] back = FourBitDequantiser.dequantise(weight);
        for (int i = 0; i < values.length; i++) {
            float largestGap = 0.16f * absmax[i / blockSize];
            assertThat(Math.abs(back[i] - values[i])).isLessThanOrEqualTo(largestGap);
        }
    }

    @Test
    void sixteenBitSourcesQuantiseLikeTheirValues() {
        float[] values = normal(64 * 64, 3);
        MemorySegment bf16 = MemorySegment.ofArray(new short[values.length]);
        MemorySegment f16 = MemorySegment.ofArray(new short[values.length]);
        float[] ofBf16 = new float[values.length];
        float[] ofF16 = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            bf16.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(values[i]));
            f16.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
            ofBf16[i] = BFloat16.toFloat(BFloat16.fromFloat(values[i]));
            ofF16[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
        }
        FourBitQuantiser quantiser = new FourBitQuantiser(FourBitCode.NF4, 64, true);
        Shape shape = Shape.of(64, 64);
        assertSame(
                quantiser.quantise(new Tensor(bf16, DType.BF16, shape), Arena.ofAuto()),
                quantise(quantiser, ofBf16, 64));
        assertSame(
                quantiser.quantise(new Tensor(f16, DType.F16, shape), Arena.ofAuto()), quantise(quantiser, ofF16, 64));
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void refusesValuesThatAreNotFinite(float bad) {
        float[] values = normal(256, 1);
        values[70] = bad;
        assertThatThrownBy(() -> quantise(new FourBitQuantiser(FourBitCode.NF4, 64, true), values, 4))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("NaN or an infinite value in block 1");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 16, 48, 8192})
    void refusesBlockSizesThatBitsandbytesDoesNotHave(int blockSize) {
        assertThatThrownBy(() -> new FourBitQuantiser(FourBitCode.NF4, blockSize, true))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("block size " + blockSize);
    }

    @Test
    void dynamicMapsRiseAndHaveTheirKnownEnds() {
        float[] signed = DynamicMap.signed();
        float[] unsigned = DynamicMap.unsigned();
        assertThat(signed).hasSize(256).isSorted().doesNotHaveDuplicates();
        assertThat(unsigned).hasSize(256).isSorted().doesNotHaveDuplicates();
        assertThat(signed[0]).isEqualTo(-0.99296874f);
        assertThat(signed[127]).isZero();
        assertThat(signed[128]).isCloseTo(5.5e-7f, within(1e-12f));
        assertThat(signed[255]).isEqualTo(1.0f);
        assertThat(unsigned[0]).isZero();
        assertThat(unsigned[255]).isEqualTo(1.0f);
    }

    @Test
    void bfloat16RoundsToEven() {
        assertThat(BFloat16.fromFloat(Float.intBitsToFloat(0x3F808000))).isEqualTo((short) 0x3F80);
        assertThat(BFloat16.fromFloat(Float.intBitsToFloat(0x3F818000))).isEqualTo((short) 0x3F82);
        assertThat(BFloat16.fromFloat(Float.intBitsToFloat(0x3F808001))).isEqualTo((short) 0x3F81);
        assertThat(BFloat16.toFloat(BFloat16.fromFloat(Float.NaN))).isNaN();
        assertThat(BFloat16.toFloat(BFloat16.fromFloat(Float.MAX_VALUE))).isInfinite();
    }

    private static float[] normal(int count, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian() * 0.02f;
        }
        return values;
    }

    private static Weight.FourBit quantise(FourBitQuantiser quantiser, float[] values, int rows) {
        Tensor source = new Tensor(MemorySegment.ofArray(values), DType.F32, Shape.of(rows, values.length / rows));
        return quantiser.quantise(source, Arena.ofAuto());
    }

    private static void assertSame(Weight.FourBit left, Weight.FourBit right) {
        assertThat(left.packed().data().mismatch(right.packed().data())).isEqualTo(-1);
        BlockScales.Nested a = (BlockScales.Nested) left.scales();
        BlockScales.Nested b = (BlockScales.Nested) right.scales();
        assertThat(a.codes().data().mismatch(b.codes().data())).isEqualTo(-1);
        assertThat(a.offset()).isEqualTo(b.offset());
    }
}
