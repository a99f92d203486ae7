package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R14;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RBX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSP;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link AttentionLanes} for tiles whose rows have {@link QueryTile}'s usual lengths. Products keep twelve chains
 * going: six queries by two vectors or three by four; with 32 registers up to 24.
 */
final class AttentionAssembly {
    /** Bytes of a vector of {@link #weigh}. */
    private static final int VECTOR = 32;

    private static final int COLUMN = AttentionLanes.COLUMN * Float.BYTES;
    private static final int HEAD = QueryTile.HEAD * Float.BYTES;
    private static final int SCORES = QueryTile.SCORES * Float.BYTES;
    private static final int STATE = QueryTile.STATE * Float.BYTES;
    private static final int FACTOR = QueryTile.FACTOR * Float.BYTES;
    private static final int SUMS = QueryTile.SUMS * Float.BYTES;
    private static final int RUN = AttentionLanes.RUN * Long.BYTES;
    private static final General[] SAVED = {RBX, R12, R13, R14};

    private final Assembler a;
    private final int vectorBytes;
    private final int rows;
    private final int vectors;

    private AttentionAssembly(int bits, int rows, int vectors) {
        a = new Assembler(bits);
        vectorBytes = bits / Byte.SIZE;
        this.rows = rows;
        this.vectors = vectors;
    }

    /** Register of a chain. */
    private int sum(int row, int vector) {
        return row * vectors + vector;
    }

    private void zero() {
        for (int chain = 0; chain < rows * vectors; chain++) {
            a.vxorps(chain, chain, chain);
        }
    }

    /** Chains go on by the products of {@code vectors} vectors, at the addresses given, and a float of each row. */
    private void multiply(Memory[] vector, General row, int rowBytes) {
        int free = rows * vectors;
        if (rows > vectors) {
            for (int v = 0; v < vectors; v++) {
                a.vmovups(free + v, vector[v]);
            }
            for (int i = 0; i < rows; i++) {
                a.vbroadcastss(free + vectors, new Memory(row, i * rowBytes));
                for (int v = 0; v < vectors; v++) {
                    a.vfmadd231ps(sum(i, v), free + v, free + vectors);
                }
            }
            return;
        }
        for (int i = 0; i < rows; i++) {
            a.vbroadcastss(free + i, new Memory(row, i * rowBytes));
        }
        for (int v = 0; v < vectors; v++) {
            a.vmovups(free + rows, vector[v]);
            for (int i = 0; i < rows; i++) {
                a.vfmadd231ps(sum(i, v), free + rows, free + i);
            }
        }
    }

    /**
     * {@link AttentionLanes#scores}. Arguments: RDI q, RSI addresses of columns, RDX s, RCX bytes from one d of the keys to the next,
     * R8 headDim, R9 how often {@code columns} columns; on the stack how many bytes after its keys a column's values lie.
     *
     * @param columns at most four
     * @param ahead whether a line of values is fetched with every line of keys: what the step needs next
     */
    static byte[] scores(int bits, int rows, int columns, boolean ahead) {
        return new AttentionAssembly(bits, rows, columns * COLUMN * Byte.SIZE / bits).scores(columns, ahead);
    }

    private byte[] scores(int columns, boolean ahead) {
        General[] keys = {RAX, RBX, R12, R13};
        Memory[] places = new Memory[vectors];
        for (int v = 0; v < vectors; v++) {
            int at = v * vectorBytes;
            places[v] = new Memory(keys[at / COLUMN], at % COLUMN);
        }
        for (General register : SAVED) {
            a.push(register);
        }
        a.mov(R14, new Memory(RSP, 8 * (SAVED.length + 1)));
        Label column = a.here();
        for (int c = 0; c < columns; c++) {
            a.mov(keys[c], new Memory(RSI, c * Long.BYTES));
        }
        a.mov(R10, RDI);
        a.mov(R11, R8);
        zero();
        Label d = a.here();
        multiply(places, R10, HEAD);
        for (int c = 0; c < columns; c++) {
            if (ahead) {
                a.prefetcht0(new Memory(keys[c], R14, 1, 0));
            }
            a.add(keys[c], RCX);
        }
        a.add(R10, Float.BYTES);
        a.sub(R11, 1);
        a.jnz(d);
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.vmovups(new Memory(RDX, i * SCORES + v * vectorBytes), sum(i, v));
            }
        }
        a.add(RSI, columns * Long.BYTES);
        a.add(RDX, columns * COLUMN);
        a.sub(R9, 1);
        a.jnz(column);
        restore();
        return a.bytes();
    }

    private void restore() {
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
    }

    /**
     * {@link AttentionLanes#values}. Arguments: RDI s, RSI runs, RDX o, RCX state, R8 bytes from one position's values to the next, R9
     * number of runs; on the stack how many times {@code vectors} vectors a head has.
     */
    static byte[] values(int bits, int rows, int vectors) {
        return new AttentionAssembly(bits, rows, vectors).values(true, 0);
    }

    /** As {@link #values(int, int, int)} for one query without factor; also on the stack: bytes from the tile's first row of s and of o. */
    static byte[] values(int bits, int vectors) {
        return new AttentionAssembly(bits, 1, vectors).values(false, 1);
    }

    private byte[] values(boolean factor, int further) {
        for (General register : SAVED) {
            a.push(register);
        }
        int arguments = 8 * (SAVED.length + 1);
        a.mov(R14, new Memory(RSP, arguments));
        if (further > 0) {
            a.add(RDI, new Memory(RSP, arguments + 8));
            a.add(RDX, new Memory(RSP, arguments + 16));
        }
        a.sub(RBX, RBX);
        Label part = a.here();
        outputs(factor);
        a.mov(R10, RSI);
        a.mov(R11, R9);
        Label run = a.here();
        a.mov(RAX, new Memory(R10, 0));
        a.add(RAX, RBX);
        a.mov(R12, new Memory(R10, 8));
        a.shl(R12, 2);
        a.add(R12, RDI);
        a.mov(R13, new Memory(R10, 16));
        Memory[] places = new Memory[vectors];
        for (int v = 0; v < vectors; v++) {
            places[v] = new Memory(RAX, v * vectorBytes);
        }
        Label position = a.here();
        multiply(places, R12, SCORES);
        a.add(RAX, R8);
        a.add(R12, Float.BYTES);
        a.sub(R13, 1);
        a.jnz(position);
        a.add(R10, RUN);
        a.sub(R11, 1);
        a.jnz(run);
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.vmovups(new Memory(RDX, i * HEAD + v * vectorBytes), sum(i, v));
            }
        }
        a.add(RDX, vectors * vectorBytes);
        a.add(RBX, vectors * vectorBytes);
        a.sub(R14, 1);
        a.jnz(part);
        restore();
        return a.bytes();
    }

    private void outputs(boolean factor) {
        for (int i = 0; i < rows; i++) {
            if (factor) {
                a.vbroadcastss(rows * vectors, new Memory(RCX, i * STATE + FACTOR));
            }
            for (int v = 0; v < vectors; v++) {
                Memory output = new Memory(RDX, i * HEAD + v * vectorBytes);
                if (factor) {
                    a.vmulps(sum(i, v), rows * vectors, output);
                } else {
                    a.vmovups(sum(i, v), output);
                }
            }
        }
    }

    // weigh: registers 0 the maximum, 1 and 2 the sums, 3 what vectors share, from 4 on three for each of four vectors
    private static final int SUM = 1;
    private static final int SHARED = 3;
    private static final int X = 4;
    private static final int SCALED = 8;
    private static final int RESULT = 12;
    private static final int AT_ONCE = 4;

    /** Places of the constants that {@link #weigh} reads: then come the coefficients of the series. */
    private static final int LOWEST = 0;

    private static final int LN2_LOW = 1;
    private static final int LN2_HIGH = 2;
    private static final int ROUND = 3;
    private static final int LOG2_E = 4;
    private static final int SERIES = 5;

    private static final float[] CONSTANTS = {
        Exponential.LOWEST,
        -Exponential.LN2_LOW,
        -Exponential.LN2_HIGH,
        Exponential.ROUND,
        Exponential.LOG2_E,
        Exponential.C7,
        Exponential.C6,
        Exponential.C5,
        Exponential.C4,
        Exponential.C3,
        Exponential.C2,
        1,
        1
    };

    /** What {@link #weigh} reads, each constant eight times. */
    static float[] constants() {
        float[] lanes = new float[VECTOR / Float.BYTES * CONSTANTS.length];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = CONSTANTS[i * Float.BYTES / VECTOR];
        }
        return lanes;
    }

    private static Memory constant(int place) {
        return new Memory(RDX, place * VECTOR);
    }

    /** {@link AttentionLanes#weigh} for so many columns. Arguments: RDI s, RSI state, RDX {@link #constants}, RCX rows. */
    static byte[] weigh(int columns) {
        return new AttentionAssembly(MachineCode.BITS, 1, 2 * columns).softmax();
    }

    private byte[] softmax() {
        // all maxima first: the lanes' comparison is a chain too long to wait for in every row
        a.mov(R8, RDI);
        a.mov(R9, RSI);
        a.mov(R10, RCX);
        Label comparison = a.here();
        maximum();
        a.vmovups(new Memory(R9, FACTOR), X);
        a.vmovups(new Memory(R9, 0), 0);
        a.add(R8, SCORES);
        a.add(R9, STATE);
        a.sub(R10, 1);
        a.jnz(comparison);
        Label row = a.here();
        a.vmovups(0, new Memory(RSI, 0));
        a.vmovups(X, new Memory(RSI, FACTOR));
        a.vsubps(X, X, 0);
        exponentials(new Memory(RSI, FACTOR));
        a.vmovups(new Memory(RSI, FACTOR), RESULT);
        a.vmulps(SUM, RESULT, new Memory(RSI, SUMS));
        a.vmulps(SUM + 1, RESULT, new Memory(RSI, SUMS + VECTOR));
        for (int first = 0; first < vectors; first += AT_ONCE) {
            int count = Math.min(AT_ONCE, vectors - first);
            Memory[] scores = new Memory[count];
            for (int v = 0; v < count; v++) {
                scores[v] = new Memory(RDI, (first + v) * VECTOR);
                a.vmovups(X + v, scores[v]);
                a.vsubps(X + v, X + v, 0);
            }
            exponentials(scores);
            for (int v = 0; v < count; v++) {
                a.vmovups(scores[v], RESULT + v);
                a.vaddps(SUM + v % 2, SUM + v % 2, RESULT + v);
            }
        }
        a.vmovups(new Memory(RSI, SUMS), SUM);
        a.vmovups(new Memory(RSI, SUMS + VECTOR), SUM + 1);
        a.add(RDI, SCORES);
        a.add(RSI, STATE);
        a.sub(RCX, 1);
        a.jnz(row);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** The last maximum into X, the new one into 0, in all lanes. */
    private void maximum() {
        a.vbroadcastss(X, new Memory(R9, 0));
        a.vmaxps(0, X, new Memory(R8, 0));
        a.vmaxps(1, X, new Memory(R8, VECTOR));
        for (int v = 2; v < vectors; v++) {
            a.vmaxps(v % 2, v % 2, new Memory(R8, v * VECTOR));
        }
        a.vmaxps(0, 0, 1);
        a.vperm2f128(1, 0);
        a.vmaxps(0, 0, 1);
        a.vpermilps(1, 0, 0x4e);
        a.vmaxps(0, 0, 1);
        a.vpermilps(1, 0, 0xb1);
        a.vmaxps(0, 0, 1);
    }

    /**
     * {@link Exponential#of} of X, vectors side by side, since one alone is a chain of a dozen results that wait for each
     * other; for what is not above {@code HIGHEST}.
     *
     * @param scores where what X holds came from before the maximum was taken off
     */
    private void exponentials(Memory... scores) {
        int count = scores.length;
        a.vmovups(SHARED, constant(LOG2_E));
        for (int v = 0; v < count; v++) {
            a.vmovups(SCALED + v, constant(ROUND));
            a.vfmadd231ps(SCALED + v, X + v, SHARED);
        }
        a.vmovups(SHARED, constant(ROUND));
        for (int v = 0; v < count; v++) {
            a.vsubps(RESULT + v, SCALED + v, SHARED);
        }
        for (int part : new int[] {LN2_HIGH, LN2_LOW}) {
            a.vmovups(SHARED, constant(part));
            for (int v = 0; v < count; v++) {
                a.vfmadd231ps(X + v, RESULT + v, SHARED);
            }
        }
        for (int v = 0; v < count; v++) {
            a.vmovups(RESULT + v, constant(SERIES));
        }
        for (int term = SERIES + 1; term < CONSTANTS.length; term++) {
            a.vmovups(SHARED, constant(term));
            for (int v = 0; v < count; v++) {
                a.vfmadd213ps(RESULT + v, X + v, SHARED);
            }
        }
        a.vmovups(SHARED, constant(LOWEST));
        for (int v = 0; v < count; v++) {
            a.vpslld(SCALED + v, SCALED + v, 23);
            a.vpaddd(RESULT + v, RESULT + v, SCALED + v);
            a.vmovups(X + v, scores[v]);
            a.vsubps(X + v, X + v, 0);
            a.vcmpnltps(X + v, X + v, SHARED);
            a.vpand(RESULT + v, RESULT + v, X + v);
        }
    }
}
