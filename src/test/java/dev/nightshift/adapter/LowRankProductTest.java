package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LowRankProductTest {
    /** Rounding of a double over the some hundred operations behind each element. */
    private static final double EXACT = 1e-12;

    private static LowRankProduct random(int outputs, int inputs, int rank, long seed) {
        Random random = new Random(seed);
        List<double[]> b = new ArrayList<>();
        List<double[]> a = new ArrayList<>();
        for (int j = 0; j < rank; j++) {
            b.add(random.doubles(outputs, -1, 1).toArray());
            a.add(random.doubles(inputs, -1, 1).toArray());
        }
        return new LowRankProduct(b, a);
    }

    private static double[][] matrix(LowRankProduct product) {
        double[][] matrix =
                new double[product.b().getFirst().length][product.a().getFirst().length];
        for (int j = 0; j < product.rank(); j++) {
            for (int o = 0; o < matrix.length; o++) {
                for (int i = 0; i < matrix[o].length; i++) {
                    matrix[o][i] += product.b().get(j)[o] * product.a().get(j)[i];
                }
            }
        }
        return matrix;
    }

    private static double distance(double[][] x, double[][] y) {
        double sum = 0;
        for (int o = 0; o < x.length; o++) {
            for (int i = 0; i < x[o].length; i++) {
                sum += (x[o][i] - y[o][i]) * (x[o][i] - y[o][i]);
            }
        }
        return Math.sqrt(sum);
    }

    @ParameterizedTest
    @CsvSource({"13, 31, 3, 3", "40, 21, 8, 5", "7, 50, 12, 6", "50, 5, 12, 5", "6, 6, 20, 1", "64, 64, 1, 1"})
    void reducingToTheTrueRankGivesTheSameProduct(int outputs, int inputs, int rank, int trueRank) {
        LowRankProduct low = random(outputs, inputs, trueRank, 11);
        // the same change with needless columns: each is split into several, and one is zero
        LowRankProduct padded = low;
        while (padded.rank() + trueRank <= rank) {
            padded = padded.plus(low);
        }
        double times = padded.rank() / (double) trueRank;
        LowRankProduct reduced = padded.reduce(trueRank).product();
        assertThat(reduced.rank()).isEqualTo(trueRank);
        double[][] expected = matrix(low);
        double[][] zero = new double[outputs][inputs];
        for (double[] row : expected) {
            for (int i = 0; i < row.length; i++) {
                row[i] *= times;
            }
        }
        assertThat(distance(matrix(reduced), expected)).isLessThan(EXACT * (1 + distance(expected, zero)));
    }

    @Test
    void whatIsLostIsTheTailOfTheSpectrum() {
        LowRankProduct product = random(37, 29, 10, 5);
        double[][] whole = matrix(product);
        double before = 0;
        for (int rank = 10; rank >= 1; rank--) {
            LowRankProduct.Reduced reduced = product.reduce(rank);
            double error = distance(whole, matrix(reduced.product()));
            assertThat(error).isCloseTo(Math.sqrt(reduced.lost()), within(1e-10));
            assertThat(error).isGreaterThanOrEqualTo(before);
            before = error;
        }
        assertThat(before).isPositive();
        assertThat(product.reduce(4).total()).isCloseTo(Math.pow(distance(whole, new double[37][29]), 2), within(1e-9));
    }

    @Test
    void noOtherProductOfThatRankIsNearer() {
        LowRankProduct product = random(12, 15, 6, 3);
        double[][] whole = matrix(product);
        LowRankProduct best = product.reduce(2).product();
        double least = distance(whole, matrix(best));
        Random random = new Random(17);
        for (int trial = 0; trial < 50; trial++) {
            LowRankProduct moved = new LowRankProduct(
                    best.b().stream().map(x -> jitter(x, random)).toList(),
                    best.a().stream().map(x -> jitter(x, random)).toList());
            assertThat(distance(whole, matrix(moved))).isGreaterThan(least);
        }
    }

    private static double[] jitter(double[] vector, Random random) {
        double[] moved = vector.clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += 1e-3 * random.nextGaussian();
        }
        return moved;
    }

    @Test
    void aChangeOfZeroStaysZero() {
        LowRankProduct zero = new LowRankProduct(
                List.of(new double[5], new double[5]), List.of(new double[4], new double[] {1, 2, 3, 4}));
        LowRankProduct.Reduced reduced = zero.reduce(1);
        assertThat(distance(matrix(reduced.product()), new double[5][4])).isZero();
        assertThat(reduced.total()).isZero();
    }

    @Test
    void singularValuesAreThoseOfAKnownMatrix() {
        // columns (3, 0) and (4, 5): values sqrt(45) and sqrt(5)
        JacobiSvd svd = JacobiSvd.of(new double[][] {{3, 0}, {4, 5}});
        assertThat(svd.values()[0]).isCloseTo(Math.sqrt(45), within(1e-14));
        assertThat(svd.values()[1]).isCloseTo(Math.sqrt(5), within(1e-14));
    }
}
