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
 * going: six queries by two vectors or three by four.
 */
final class AttentionAssembly {
    private static final int VECTOR = 32;
    private static final int COLUMN = AttentionLanes.COLUMN * Float.BYTES;
    private static final int HEAD = QueryTile.HEAD * Float.BYTES;
    private static final int SCORES = QueryTile.SCORES * Float.BYTES;
    private static final int STATE = QueryTile.STATE * Float.BYTES;
    private static final int FACTOR = QueryTile.FACTOR * Float.BYTES;
    private static final int SUMS = QueryTile.SUMS * Float.BYTES;
    private static final int RUN = AttentionLanes.RUN * Long.BYTES;
    private static final General[] SAVED = {RBX, R12, R13, R14};

    private final Assembler a = new Assembler();
    private final int rows;
    private final int vectors;

    private AttentionAssembly(int rows, int vectors) {
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
     * R8 headDim, R9 how often {@code columns} columns.
     */
    static byte[] scores(int rows, int columns) {
        return new AttentionAssembly(rows, 2 * columns).scores();
    }

    private byte[] scores() {
        int columns = vectors / 2;
        General[] keys = {RAX, RBX};
        Memory[] places = new Memory[vectors];
        for (int v = 0; v < vectors; v++) {
            places[v] = new Memory(keys[v / 2], v % 2 * VECTOR);
        }
        a.push(RBX);
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
            a.add(keys[c], RCX);
        }
        a.add(R10, Float.BYTES);
        a.sub(R11, 1);
        a.jnz(d);
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.vmovups(new Memory(RDX, i * SCORES + v * VECTOR), sum(i, v));
            }
        }
        a.add(RSI, columns * Long.BYTES);
        a.add(RDX, columns * COLUMN);
        a.sub(R9, 1);
        a.jnz(column);
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /**
     * {@link AttentionLanes#values}. Arguments: RDI s, RSI runs, RDX o, RCX state, R8 bytes from one position's values to the next, R9
     * number of runs; on the stack how many times {@code vectors} vectors a head has.
     */
    static byte[] values(int rows, int vectors) {
        return new AttentionAssembly(rows, vectors).values(true, 0);
    }

    /** As {@link #values(int, int)} for one query without factor; also on the stack: bytes from the tile's first row of s and of o. */
    static byte[] values(int vectors) {
        return new AttentionAssembly(1, vectors).values(false, 1);
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
            places[v] = new Memory(RAX, v * VECTOR);
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
                a.vmovups(new Memory(RDX, i * HEAD + v * VECTOR), sum(i, v));
            }
        }
        a.add(RDX, vectors * VECTOR);
        a.add(RBX, vectors * VECTOR);
        a.sub(R14, 1);
        a.jnz(part);
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    private void outputs(boolean factor) {
        for (int i = 0; i < rows; i++) {
            if (factor) {
                a.vbroadcastss(rows * vectors, new Memory(RCX, i * STATE + FACTOR));
            }
            for (int v = 0; v < vectors; v++) {
                Memory output = new Memory(RDX, i * HEAD + v * VECTOR);
                if (factor) {
                    a.vmulps(sum(i, v), rows * vectors, output);
                } else {
                    a.vmovups(sum(i, v), output);
                }
            }
        }
    }

    // weigh: registers 11 to 15 hold constants, 0 the maximum, 1 to 4 what an exponential needs, 5 and 6 the sums, 7
    // the last maximum
    private static final int LOG2_E = 15;
    private static final int ROUND = 14;
    private static final int LN2_HIGH = 13;
    private static final int LN2_LOW = 12;
    private static final int LOWEST = 11;
    /** Where the coefficients of the series begin among the constants. */
    private static final int POLYNOMIAL = 5;

    /** What {@link #weigh()} reads, each constant eight times: first those that stay in registers. */
    static float[] constants() {
        float[] once = {
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
        float[] lanes = new float[VECTOR / Float.BYTES * once.length];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = once[i * Float.BYTES / VECTOR];
        }
        return lanes;
    }

    /** {@link AttentionLanes#weigh}. Arguments: RDI s, RSI state, RDX {@link #constants}, RCX columns, R8 rows. */
    static byte[] weigh() {
        return new AttentionAssembly(0, 0).softmax();
    }

    private byte[] softmax() {
        for (int register = LOWEST; register <= LOG2_E; register++) {
            a.vmovups(register, new Memory(RDX, (register - LOWEST) * VECTOR));
        }
        Label row = a.here();
        a.vbroadcastss(7, new Memory(RSI, 0));
        a.vmaxps(0, 7, new Memory(RDI, 0));
        a.vmaxps(1, 7, new Memory(RDI, VECTOR));
        a.mov(RAX, RDI);
        a.mov(R10, RCX);
        Label larger = a.here();
        a.vmaxps(0, 0, new Memory(RAX, 0));
        a.vmaxps(1, 1, new Memory(RAX, VECTOR));
        a.add(RAX, COLUMN);
        a.sub(R10, 1);
        a.jnz(larger);
        a.vmaxps(0, 0, 1);
        a.vperm2f128(1, 0);
        a.vmaxps(0, 0, 1);
        a.vpermilps(1, 0, 0x4e);
        a.vmaxps(0, 0, 1);
        a.vpermilps(1, 0, 0xb1);
        a.vmaxps(0, 0, 1);
        a.vmovups(new Memory(RSI, 0), 0);
        a.vsubps(1, 7, 0);
        exponential();
        a.vmovups(new Memory(RSI, FACTOR), 3);
        a.vmulps(5, 3, new Memory(RSI, SUMS));
        a.vmulps(6, 3, new Memory(RSI, SUMS + VECTOR));
        a.mov(RAX, RDI);
        a.mov(R10, RCX);
        Label weight = a.here();
        for (int v = 0; v < 2; v++) {
            a.vmovups(1, new Memory(RAX, v * VECTOR));
            a.vsubps(1, 1, 0);
            exponential();
            a.vmovups(new Memory(RAX, v * VECTOR), 3);
            a.vaddps(5 + v, 5 + v, 3);
        }
        a.add(RAX, COLUMN);
        a.sub(R10, 1);
        a.jnz(weight);
        a.vmovups(new Memory(RSI, SUMS), 5);
        a.vmovups(new Memory(RSI, SUMS + VECTOR), 6);
        a.add(RDI, SCORES);
        a.add(RSI, STATE);
        a.sub(R8, 1);
        a.jnz(row);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** {@link Exponential#of} of register 1, into 3, for what is not above {@code HIGHEST}; changes 1, 2, 4. */
    private void exponential() {
        a.vcmpnltps(4, 1, LOWEST);
        a.vmovups(2, constant(ROUND));
        a.vfmadd231ps(2, 1, LOG2_E);
        a.vsubps(3, 2, ROUND);
        a.vfmadd231ps(1, 3, LN2_HIGH);
        a.vfmadd231ps(1, 3, LN2_LOW);
        a.vmovups(3, new Memory(RDX, POLYNOMIAL * VECTOR));
        for (int i = 0; i < 7; i++) {
            a.vfmadd213ps(3, 1, new Memory(RDX, (POLYNOMIAL + 1 + i) * VECTOR));
        }
        a.vpslld(2, 2, 23);
        a.vpaddd(3, 3, 2);
        a.vpand(3, 3, 4);
    }

    private static Memory constant(int register) {
        return new Memory(RDX, (register - LOWEST) * VECTOR);
    }
}
