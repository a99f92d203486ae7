package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R14;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R15;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RBP;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RBX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSP;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Jump;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link FewRowsLanes} for a fixed number of rows: a stretch of tiles, one segment of k after the other. The first
 * tile writes the segment's x out with every float eight times, [k][rows][8], which the first-level cache holds. Products take x
 * from there and values from the registers in which they are put together ({@link FourBitAssembly}), so that a product is one
 * instruction: another thread on the same core may take half of the instruction slots.
 *
 * <p>Arguments: RDI x, RSI bytes from a row of x to the next, RDX first tile, RCX tiles, R8 {@link FourBitAssembly#tables}, R9 out at
 * the first tile's column; on the stack those of {@link Argument}. Totals lie close together until the last segment is done: rows
 * of out may be so far apart that they push each other from the cache.
 */
final class FewRowsAssembly {
    /** Rows for which there are registers. */
    static final int MOST = 8;

    /** k of the longest segment. */
    static final int LONGEST_SEGMENT = 64;

    private static final int VECTOR = 32;
    private static final int VECTORS = 4;
    private static final int TILE = VECTORS * VECTOR;
    private static final int OCTET = 8;
    private static final int LINE = 64;
    private static final int PLANES = 4;
    private static final int REGISTERS = 16;
    /** Registers of a look-up. */
    private static final int LOOK = 5;
    /** Rows of x that one base reaches, with the bytes of a row once or twice as index. */
    private static final int REACH = 3;

    /** Where the first tile's first pass finds x: each for {@link #REACH} rows. */
    private static final General[] BASES = {R10, R13, RBX};

    /** An input on its way to where it is written out. */
    private static final int INPUT = 15;

    private static final General[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    /** On the stack, behind saved registers and the way back. */
    enum Argument {
        /** Bytes from a row of out to the next. */
        OUT_ROW,
        SEGMENTS,
        /** Octets of k in a segment. */
        OCTETS,
        /** Where a segment's x goes: {@link #inputBytes}. */
        INPUT,
        /** [tiles][rows][4 vectors]: {@link #totalBytes}. */
        TOTALS,
        /** Bytes from a tile to the next. */
        TILE,
        /** Bytes from a segment to the next. */
        SEGMENT,
        /** Addresses of what is fetched meanwhile ({@link Upcoming}), one for each segment of each tile; goes on with them. */
        UPCOMING,
        /** Bytes from one of them to the next. */
        UPCOMING_STEP,
        /** What is added to each of them. */
        UPCOMING_OFFSET;

        Memory at() {
            return new Memory(RSP, 8 * (SAVED.length + 1 + ordinal()));
        }
    }

    private final Assembler a = new Assembler();
    private final int rows;
    /** Vectors of the tile in a pass. Each row has a chain of sums with each; with few chains they would wait for themselves. */
    private final int side;
    /** First register behind the chains. */
    private final int free;

    private FewRowsAssembly(int rows) {
        this.rows = rows;
        side = side(rows);
        free = side * rows;
    }

    /** @param rows 1 to {@link #MOST} */
    static byte[] multiply(int rows) {
        return new FewRowsAssembly(rows).emit();
    }

    /** Whether so many rows leave memory and a register free to fetch something else. */
    static boolean fetches(int rows) {
        return side(rows) == 1;
    }

    private static int side(int rows) {
        return rows <= 2 ? 4 : rows <= 5 ? 2 : 1;
    }

    static long inputBytes(int rows) {
        return (long) LONGEST_SEGMENT * rows * VECTOR;
    }

    static long totalBytes(int tiles, int rows) {
        return (long) tiles * rows * TILE;
    }

    private byte[] emit() {
        for (General register : SAVED) {
            a.push(register);
        }
        clear();
        a.mov(RBP, Argument.SEGMENTS.at());
        Label segment = a.here();
        a.mov(R14, RCX);
        a.mov(R15, RDX);
        firstPass();
        a.mov(RBX, Argument.TOTALS.at());
        fold(0);
        loadTables(tables(0));
        Jump begun = a.jmp();
        Label tile = a.here();
        pass(0);
        a.land(begun);
        for (int vector = side; vector < VECTORS; vector += side) {
            pass(vector);
        }
        a.add(R15, Argument.TILE.at());
        a.add(RBX, rows * TILE);
        again(R14, tile);
        a.add(RDX, Argument.SEGMENT.at());
        a.mov(R11, Argument.OCTETS.at());
        a.shl(R11, Integer.numberOfTrailingZeros(OCTET * Float.BYTES));
        a.add(RDI, R11);
        again(RBP, segment);
        store();
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    private void again(General counter, Label label) {
        a.sub(counter, 1);
        a.jnz(label);
    }

    /** Zeros to totals. */
    private void clear() {
        a.vxorps(0, 0, 0);
        a.mov(RAX, Argument.TOTALS.at());
        a.mov(R11, RCX);
        Label tile = a.here();
        for (int vector = 0; vector < rows * VECTORS; vector++) {
            a.vmovups(new Memory(RAX, vector * VECTOR), 0);
        }
        a.add(RAX, rows * TILE);
        again(R11, tile);
    }

    /** Totals to the rows of out. */
    private void store() {
        a.mov(RAX, Argument.TOTALS.at());
        Label tile = a.here();
        a.mov(R10, R9);
        for (int row = 0; row < rows; row++) {
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vmovups(0, new Memory(RAX, row * TILE + vector * VECTOR));
                a.vmovups(new Memory(R10, vector * VECTOR), 0);
            }
            a.add(R10, Argument.OUT_ROW.at());
        }
        a.add(RAX, rows * TILE);
        a.add(R9, TILE);
        again(RCX, tile);
    }

    /** The segment's first tile and its first vectors, x being written out on the way. */
    private void firstPass() {
        for (int base = 0; base * REACH < rows; base++) {
            a.mov(BASES[base], base == 0 ? RDI : BASES[base - 1]);
            for (int row = 0; base > 0 && row < REACH; row++) {
                a.add(BASES[base], RSI);
            }
        }
        int kept = tables(1);
        loadTables(kept);
        begin();
        Label octet = a.here();
        for (int v = 0; v < side; v++) {
            lookUp(v, kept, v == 0 ? this::multiplyAndWrite : this::multiply);
        }
        for (int base = 0; base * REACH < rows; base++) {
            a.add(BASES[base], OCTET * Float.BYTES);
        }
        next(octet);
    }

    private void multiplyAndWrite(int vector, int k, int value) {
        for (int row = 0; row < rows; row++) {
            General index = row % REACH == 0 ? null : RSI;
            a.vbroadcastss(INPUT, new Memory(BASES[row / REACH], index, Math.max(1, row % REACH), k * Float.BYTES));
            a.vmovups(new Memory(RAX, input(k, row)), INPUT);
            a.vfmadd231ps(row, value, INPUT);
        }
    }

    /** A segment of the tile at R15 by {@link #side} of its vectors; totals are at RBX. */
    private void pass(int vector) {
        boolean ahead = vector == side % VECTORS;
        boolean fetches = fetches(rows) && vector == VECTORS - side;
        if (ahead) {
            aim();
        }
        if (fetches) {
            a.mov(R10, Argument.UPCOMING.at());
            a.mov(R13, new Memory(R10, 0));
            a.add(R13, Argument.UPCOMING_OFFSET.at());
            a.add(R10, Argument.UPCOMING_STEP.at());
            a.mov(Argument.UPCOMING.at(), R10);
        }
        begin();
        Label octet = a.here();
        if (ahead) {
            for (int line = 0; line < TILE; line += LINE) {
                a.prefetcht0(new Memory(R13, line));
            }
            a.add(R13, TILE);
        }
        if (fetches) {
            a.prefetcht1(new Memory(R13, 0));
            a.add(R13, LINE);
        }
        for (int v = 0; v < side; v++) {
            lookUp(vector + v, tables(0), this::multiply);
        }
        next(octet);
        fold(vector);
    }

    private void multiply(int vector, int k, int value) {
        for (int row = 0; row < rows; row++) {
            a.vfmadd231ps(vector % side * rows + row, value, new Memory(RAX, input(k, row)));
        }
    }

    private void begin() {
        a.mov(RAX, Argument.INPUT.at());
        a.mov(R12, R15);
        a.mov(R11, Argument.OCTETS.at());
        for (int chain = 0; chain < free; chain++) {
            a.vxorps(chain, chain, chain);
        }
    }

    private void next(Label octet) {
        a.add(R12, TILE);
        a.add(RAX, OCTET * rows * VECTOR);
        again(R11, octet);
    }

    private int input(int k, int row) {
        return (k * rows + row) * VECTOR;
    }

    /**
     * R13 to this segment of the next tile, at the last tile to the first one's next segment: the way from one to the other is too
     * long for the processor to foresee. Its last codes are fetched here, the rest from octet to octet.
     */
    private void aim() {
        a.mov(R13, R15);
        a.add(R13, Argument.TILE.at());
        a.mov(R10, RDX);
        a.add(R10, Argument.SEGMENT.at());
        a.mov(R11, R14);
        a.sub(R11, 1);
        a.cmovz(R13, R10);
        a.mov(R10, R13);
        a.add(R10, Argument.SEGMENT.at());
        for (int line = LINE; line <= TILE; line += LINE) {
            a.prefetcht0(new Memory(R10, -line));
        }
    }

    /** Tables that fit into registers beside {@code others}. */
    private int tables(int others) {
        return Math.min(PLANES, REGISTERS - free - LOOK - others);
    }

    private void loadTables(int count) {
        for (int plane = 0; plane < count; plane++) {
            a.vmovups(free + LOOK + plane, new Memory(R8, plane * VECTOR));
        }
    }

    /** Takes values of k, 0 to 7 in order, in a register that is theirs until it returns. */
    private interface Use {
        void values(int vector, int k, int register);
    }

    /** An octet of one vector of the tile, its codes behind R12 and the segment's scales. */
    private void lookUp(int vector, int kept, Use use) {
        int index = free;
        int b0 = free + 1;
        int b1 = free + 2;
        int words = free + 3;
        int b3 = free + 4;
        for (int k = 0; k < OCTET; k += PLANES) {
            a.vmovups(index, new Memory(R12, TILE + vector * VECTOR));
            if (k > 0) {
                a.vpsrlw(index, index, 4);
            }
            a.vpand(index, index, new Memory(R8, FourBitAssembly.NIBBLE));
            plane(b0, 0, index, kept);
            plane(b1, 1, index, kept);
            a.vpunpcklbw(words, b0, b1);
            a.vpunpckhbw(b0, b0, b1);
            plane(b1, 2, index, kept);
            plane(b3, 3, index, kept);
            a.vpunpcklbw(index, b1, b3);
            a.vpunpckhbw(b1, b1, b3);
            a.vpunpcklwd(b3, words, index);
            use.values(vector, k, b3);
            a.vpunpckhwd(words, words, index);
            use.values(vector, k + 1, words);
            a.vpunpcklwd(index, b0, b1);
            use.values(vector, k + 2, index);
            a.vpunpckhwd(b0, b0, b1);
            use.values(vector, k + 3, b0);
        }
    }

    private void plane(int to, int plane, int index, int kept) {
        int table = free + LOOK + plane;
        if (plane >= kept) {
            table = to;
            a.vmovups(to, new Memory(R8, plane * VECTOR));
        }
        a.vpshufb(to, table, index);
    }

    /** {@code totals += chains * scale}. */
    private void fold(int vector) {
        for (int v = 0; v < side; v++) {
            a.vmovups(free + v, new Memory(R15, (vector + v) * VECTOR));
        }
        for (int row = 0; row < rows; row++) {
            for (int v = 0; v < side; v++) {
                Memory total = new Memory(RBX, row * TILE + (vector + v) * VECTOR);
                a.vfmadd213ps(v * rows + row, free + v, total);
                a.vmovups(total, v * rows + row);
            }
        }
    }
}
