package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.OR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import dev.nightshift.tensor.DType;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** {@link RowLanes} at one width. What a vector does not fill is done in scalars by the same operations. */
final class RowVectors implements RowLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    private static final VectorSpecies<Short> HALVES =
            VectorSpecies.of(short.class, VectorShape.forBitSize(F.vectorBitSize() / 2));
    private static final int LANES = F.length();

    @Override
    public float dot(DType dtype, long x, long w, int count, float[] partials) {
        int whole = count / PARTIALS * PARTIALS;
        for (int lane = 0; lane < PARTIALS; lane += LANES) {
            // Each loop stores its own sum: a vector that comes out of a switch is put on the heap.
            switch (dtype) {
                case F32 -> dotF32(x + 4L * lane, w + 4L * lane, whole, partials, lane);
                case BF16 -> dotBf16(x + 4L * lane, w + 2L * lane, whole, partials, lane);
                case F16 -> dotF16(x + 4L * lane, w + 2L * lane, whole, partials, lane);
                case I64, I32, U8 -> throw new IllegalStateException("no float type: " + dtype);
            }
        }
        for (int i = whole; i < count; i++) {
            partials[i - whole] = Math.fma(Raw.f32(x + 4L * i), Raw.element(dtype, w, i), partials[i - whole]);
        }
        return total(partials);
    }

    private static void dotF32(long x, long w, int whole, float[] partials, int lane) {
        FloatVector sum = FloatVector.zero(F);
        for (int i = 0; i < whole; i += PARTIALS) {
            sum = FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE)
                    .fma(FloatVector.fromMemorySegment(F, ALL, w + 4L * i, LE), sum);
        }
        sum.intoArray(partials, lane);
    }

    private static void dotBf16(long x, long w, int whole, float[] partials, int lane) {
        FloatVector sum = FloatVector.zero(F);
        for (int i = 0; i < whole; i += PARTIALS) {
            IntVector v = (IntVector)
                    ShortVector.fromMemorySegment(HALVES, ALL, w + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            sum = FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE)
                    .fma(v.lanewise(LSHL, 16).reinterpretAsFloats(), sum);
        }
        sum.intoArray(partials, lane);
    }

    private static void dotF16(long x, long w, int whole, float[] partials, int lane) {
        FloatVector sum = FloatVector.zero(F);
        for (int i = 0; i < whole; i += PARTIALS) {
            IntVector v = (IntVector)
                    ShortVector.fromMemorySegment(HALVES, ALL, w + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            sum = FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).fma(half(v), sum);
        }
        sum.intoArray(partials, lane);
    }

    /** As {@code DenseVectors.half}, and with the exponent of infinity and NaN carried over. */
    private static FloatVector half(IntVector v) {
        FloatVector magnitude =
                v.and(0x7fff).lanewise(LSHL, 13).reinterpretAsFloats().mul(0x1p112f);
        IntVector special = v.and(0x7fff).lanewise(LSHL, 13).lanewise(OR, 0x7f800000);
        IntVector bits =
                magnitude.reinterpretAsInts().blend(special, v.and(0x7c00).compare(EQ, 0x7c00));
        return v.and(0x8000).lanewise(LSHL, 16).lanewise(OR, bits).reinterpretAsFloats();
    }

    /** Halves added onto each other until one is left. */
    private static float total(float[] partials) {
        for (int width = PARTIALS / 2; width > 0; width /= 2) {
            for (int i = 0; i < width; i++) {
                partials[i] += partials[i + width];
            }
        }
        return partials[0];
    }

    @Override
    public void add(long x, long y, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE)
                    .add(FloatVector.fromMemorySegment(F, ALL, y + 4L * i, LE))
                    .intoMemorySegment(ALL, x + 4L * i, LE);
        }
        for (; i < count; i++) {
            Raw.f32(x + 4L * i, Raw.f32(x + 4L * i) + Raw.f32(y + 4L * i));
        }
    }

    @Override
    public void scale(long out, long x, float factor, long weight, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE)
                    .mul(factor)
                    .mul(FloatVector.fromMemorySegment(F, ALL, weight + 4L * i, LE))
                    .intoMemorySegment(ALL, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            Raw.f32(out + 4L * i, Raw.f32(x + 4L * i) * factor * Raw.f32(weight + 4L * i));
        }
    }

    @Override
    public void weights(long x, float max, float temperature, int count, float[] w) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            Exponential.of(FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE)
                            .sub(max)
                            .div(temperature))
                    .intoArray(w, i);
        }
        for (; i < count; i++) {
            w[i] = Exponential.of((Raw.f32(x + 4L * i) - max) / temperature);
        }
    }

    @Override
    public void maxima(long x, int count, float[] maxima) {
        for (int i = 0, at = 0; i < count; i += STRETCH) {
            maxima[at++] = max(x + 4L * i, Math.min(STRETCH, count - i));
        }
    }

    @Override
    public void swiGlu(long out, long gate, long up, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector g = FloatVector.fromMemorySegment(F, ALL, gate + 4L * i, LE);
            g.div(Exponential.of(g.neg()).add(1f))
                    .mul(FloatVector.fromMemorySegment(F, ALL, up + 4L * i, LE))
                    .intoMemorySegment(ALL, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            float g = Raw.f32(gate + 4L * i);
            Raw.f32(out + 4L * i, g / (Exponential.of(-g) + 1f) * Raw.f32(up + 4L * i));
        }
    }

    @Override
    public double sumExp(long x, float max, int count, float[] partials) {
        int whole = count / PARTIALS * PARTIALS;
        for (int lane = 0; lane < PARTIALS; lane += LANES) {
            FloatVector sum = FloatVector.zero(F);
            for (int i = lane; i < whole; i += PARTIALS) {
                sum = sum.add(Exponential.of(
                        FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).sub(max)));
            }
            sum.intoArray(partials, lane);
        }
        for (int i = whole; i < count; i++) {
            partials[i - whole] += Exponential.of(Raw.f32(x + 4L * i) - max);
        }
        double sum = 0;
        for (float partial : partials) {
            sum += partial;
        }
        return sum;
    }

    @Override
    public float max(long x, int count) {
        FloatVector most = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            most = most.lanewise(MAX, FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE));
        }
        float max = most.reduceLanes(MAX);
        for (; i < count; i++) {
            max = Math.max(max, Raw.f32(x + 4L * i));
        }
        return max;
    }

    @Override
    public int first(long x, int count, float value) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            VectorMask<Float> same =
                    FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).compare(EQ, value);
            if (same.anyTrue()) {
                return i + same.firstTrue();
            }
        }
        while (i < count && Raw.f32(x + 4L * i) != value) {
            i++;
        }
        return i;
    }

    @Override
    public void lowRank(long y, long t, int rank, float[] b, int stride, float scale, long gain, long bias, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector sum = FloatVector.zero(F);
            for (int j = 0; j < rank; j++) {
                sum = FloatVector.fromArray(F, b, j * stride + i)
                        .fma(FloatVector.broadcast(F, Raw.f32(t + 4L * j)), sum);
            }
            FloatVector value =
                    sum.fma(FloatVector.broadcast(F, scale), FloatVector.fromMemorySegment(F, ALL, y + 4L * i, LE));
            if (gain != 0) {
                value = value.mul(FloatVector.fromMemorySegment(F, ALL, gain + 4L * i, LE));
            }
            if (bias != 0) {
                value = value.add(FloatVector.fromMemorySegment(F, ALL, bias + 4L * i, LE));
            }
            value.intoMemorySegment(ALL, y + 4L * i, LE);
        }
        for (; i < count; i++) {
            float sum = 0;
            for (int j = 0; j < rank; j++) {
                sum = Math.fma(b[j * stride + i], Raw.f32(t + 4L * j), sum);
            }
            float value = Math.fma(sum, scale, Raw.f32(y + 4L * i));
            value = gain == 0 ? value : value * Raw.f32(gain + 4L * i);
            Raw.f32(y + 4L * i, bias == 0 ? value : value + Raw.f32(bias + 4L * i));
        }
    }
}
