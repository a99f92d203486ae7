package dev.nightshift.tensor;

import java.util.Random;

/** Random weights of every kind, and their values in fp32 by the formula, independent of any backend and of {@code quant}. */
final class TestWeights {
    /** qlora.md section 2.1. */
    private static final float[] NF4 = {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f
    };

    private static final float[] FP4 = {
        0.0f, 0.005208333333f, 0.66666667f, 1.0f, 0.33333333f, 0.5f, 0.16666667f, 0.25f,
    };

    private TestWeights() {}

    static Weight.Dense dense(Random random, DType dtype, int rows, int columns) {
        float[] values = HostTensors.normal(random, rows * columns, 1 / Math.sqrt(columns));
        return new Weight.Dense(HostTensors.floats(dtype, values, rows, columns));
    }

    /** Packed bytes and scales at random: all 16 codes, blocks of different size of value. */
    static Weight.FourBit plain(Random random, FourBitCode code, int rows, int columns, int blockSize) {
        int blocks = blocks(rows, columns, blockSize);
        float[] absmax = new float[blocks];
        for (int i = 0; i < blocks; i++) {
            absmax[i] = (float) ((0.5 + random.nextDouble()) / Math.sqrt(columns));
        }
        BlockScales scales = new BlockScales.Plain(HostTensors.f32(absmax, blocks));
        return new Weight.FourBit(code, rows, columns, blockSize, packed(random, rows, columns), scales);
    }

    static Weight.FourBit nested(Random random, FourBitCode code, int rows, int columns, int blockSize) {
        int nestedBlockSize = 256;
        int blocks = blocks(rows, columns, blockSize);
        byte[] codes = new byte[blocks];
        random.nextBytes(codes);
        float[] map = new float[256];
        for (int i = 0; i < 256; i++) {
            map[i] = (float) Math.pow((i - 127) / 128.0, 3);
        }
        int groups = (blocks + nestedBlockSize - 1) / nestedBlockSize;
        float[] absmax = new float[groups];
        for (int i = 0; i < groups; i++) {
            absmax[i] = (float) ((0.3 + 0.3 * random.nextDouble()) / Math.sqrt(columns));
        }
        BlockScales scales = new BlockScales.Nested(
                HostTensors.u8(codes, blocks),
                HostTensors.f32(map, 256),
                HostTensors.f32(absmax, groups),
                nestedBlockSize,
                (float) (1.1 / Math.sqrt(columns)));
        return new Weight.FourBit(code, rows, columns, blockSize, packed(random, rows, columns), scales);
    }

    private static int blocks(int rows, int columns, int blockSize) {
        return Math.toIntExact(((long) rows * columns + blockSize - 1) / blockSize);
    }

    private static Tensor packed(Random random, int rows, int columns) {
        byte[] bytes = new byte[Math.toIntExact(((long) rows * columns + 1) / 2)];
        random.nextBytes(bytes);
        return HostTensors.u8(bytes, bytes.length);
    }

    /** Values of a host weight, row-major. */
    static float[] values(Weight weight) {
        return switch (weight) {
            case Weight.Dense dense -> HostTensors.floats(dense.values());
            case Weight.FourBit fourBit -> values(fourBit);
            case Weight.Fused fused -> values(fused);
            case Weight.Prepared prepared -> throw new IllegalStateException("no host weight: " + prepared);
        };
    }

    private static float[] values(Weight.Fused fused) {
        float[] all = new float[fused.rows() * fused.columns()];
        int at = 0;
        for (Weight part : fused.parts()) {
            float[] values = values(part);
            System.arraycopy(values, 0, all, at, values.length);
            at += values.length;
        }
        return all;
    }

    private static float[] values(Weight.FourBit weight) {
        byte[] packed = HostTensors.bytes(weight.packed());
        float[] absmax = absmax(weight.scales());
        float[] values = new float[weight.rows() * weight.columns()];
        for (int i = 0; i < values.length; i++) {
            int nibble = (i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2]) & 15;
            float unit = switch (weight.code()) {
                case NF4 -> NF4[nibble];
                case FP4 -> nibble < 8 ? FP4[nibble] : -FP4[nibble - 8];
            };
            values[i] = unit * absmax[i / weight.blockSize()];
        }
        return values;
    }

    private static float[] absmax(BlockScales scales) {
        return switch (scales) {
            case BlockScales.Plain plain -> HostTensors.floats(plain.absmax());
            case BlockScales.Nested nested -> {
                byte[] codes = HostTensors.bytes(nested.codes());
                float[] map = HostTensors.floats(nested.map());
                float[] groups = HostTensors.floats(nested.nestedAbsmax());
                float[] absmax = new float[codes.length];
                for (int i = 0; i < codes.length; i++) {
                    float scaled = map[codes[i] & 0xFF] * groups[i / nested.nestedBlockSize()];
                    absmax[i] = scaled + nested.offset();
                }
                yield absmax;
            }
        };
    }
}
