package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Test;

class ExponentialTest {
    /** Two units in the last place of a value in [1, 2), relative. */
    private static final double TOLERANCE = 2 * 0x1p-23;

    @Test
    void isWithinTwoUnitsInTheLastPlace() {
        for (float x = -87.3f; x < 88; x += 0.00317f) {
            double wanted = Math.exp(x);
            assertThat(Math.abs(Exponential.of(x) - wanted) / wanted)
                    .as("e^%s", x)
                    .isLessThan(TOLERANCE);
        }
    }

    @Test
    void keepsTheEdges() {
        assertThat(Exponential.of(0f)).isEqualTo(1f);
        assertThat(Exponential.of(-0f)).isEqualTo(1f);
        assertThat(Exponential.of(Float.NEGATIVE_INFINITY)).isZero();
        assertThat(Exponential.of(-1e30f)).isZero();
        assertThat(Exponential.of(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Exponential.of(1e30f)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Exponential.of(Float.NaN)).isNaN();
    }

    @Test
    void vectorsOfEveryWidthGiveTheScalarsBits() {
        float[] x = new float[16];
        float[] got = new float[16];
        for (VectorSpecies<Float> species :
                new VectorSpecies[] {FloatVector.SPECIES_128, FloatVector.SPECIES_256, FloatVector.SPECIES_512}) {
            for (float first = -110; first < 100; first += 0.37f) {
                for (int i = 0; i < 16; i++) {
                    x[i] = first + i * 0.013f;
                }
                for (int i = 0; i < 16; i += species.length()) {
                    Exponential.of(FloatVector.fromArray(species, x, i)).intoArray(got, i);
                }
                for (int i = 0; i < 16; i++) {
                    assertThat(Float.floatToIntBits(got[i])).isEqualTo(Float.floatToIntBits(Exponential.of(x[i])));
                }
            }
        }
    }
}
