package dev.nightshift.tensor.cpu.x86;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Jump;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Encodings as the GNU assembler (binutils 2.40) makes them. */
class AssemblerTest {
    private static final List<Instruction> INSTRUCTIONS = List.of(
            instruction(a -> a.vmovups(3, at(RSI, 64)), "c5 fc 10 5e 40"),
            instruction(a -> a.vmovups(12, at(R9, 128)), "c4 41 7c 10 a1 80 00 00 00"),
            instruction(a -> a.vmovups(9, at(RSP, 8192)), "c5 7c 10 8c 24 00 20 00 00"),
            instruction(a -> a.vmovups(at(R12, -128), 4), "c4 c1 7c 11 64 24 80"),
            instruction(a -> a.vmovups(at(R13, 0), 15), "c4 41 7c 11 7d 00"),
            instruction(a -> a.vbroadcastss(10, at(RAX, 4)), "c4 62 7d 18 50 04"),
            instruction(a -> a.vbroadcastss(1, at(RBP, 0)), "c4 e2 7d 18 4d 00"),
            instruction(a -> a.prefetcht0(at(R10, 4096)), "41 0f 18 8a 00 10 00 00"),
            instruction(a -> a.prefetcht0(at(RSI, 8)), "0f 18 4e 08"),
            instruction(a -> a.mov(at(RSP, 64), R10), "4c 89 54 24 40"),
            instruction(a -> a.mov(at(R13, 8), RAX), "49 89 45 08"),
            instruction(a -> a.prefetcht1(at(RDI, 64)), "0f 18 57 40"),
            instruction(a -> a.prefetcht1(at(R10, 64)), "41 0f 18 52 40"),
            instruction(a -> a.prefetchw(at(R10, 64)), "41 0f 0d 4a 40"),
            instruction(a -> a.vmovupsEight(9, at(R9, 32)), "c4 41 7c 10 49 20"),
            instruction(a -> a.vmovupsEight(at(RAX, 128), 3), "c5 fc 11 98 80 00 00 00"),
            instruction(a -> a.vxorps(0, 0, 0), "c5 fc 57 c0"),
            instruction(a -> a.vxorps(9, 10, 11), "c4 41 2c 57 cb"),
            instruction(a -> a.vpshufb(4, 14, 13), "c4 c2 0d 00 e5"),
            instruction(a -> a.vpand(13, 12, at(R8, 160)), "c4 41 1d db a8 a0 00 00 00"),
            instruction(a -> a.vpand(1, 2, 3), "c5 ed db cb"),
            instruction(a -> a.vpsrlw(12, 12, 4), "c4 c1 1d 71 d4 04"),
            instruction(a -> a.vpsrlw(2, 9, 4), "c4 c1 6d 71 d1 04"),
            instruction(a -> a.vpcmpeqd(13, 13, 13), "c4 41 15 76 ed"),
            instruction(a -> a.vpslld(8, 11, 16), "c4 c1 3d 72 f3 10"),
            instruction(a -> a.vpunpcklbw(12, 4, 5), "c5 5d 60 e5"),
            instruction(a -> a.vpunpckhbw(4, 4, 15), "c4 c1 5d 68 e7"),
            instruction(a -> a.vpunpcklwd(14, 12, 13), "c4 41 1d 61 f5"),
            instruction(a -> a.vpunpckhwd(0, 1, 2), "c5 f5 69 c2"),
            instruction(a -> a.vaddps(3, 3, at(R9, 224)), "c4 c1 64 58 99 e0 00 00 00"),
            instruction(a -> a.vfmadd231ps(7, 14, 15), "c4 c2 0d b8 ff"),
            instruction(a -> a.vaddps(5, 6, 9), "c4 c1 4c 58 e9"),
            instruction(a -> a.vsubps(1, 7, 0), "c5 c4 5c c8"),
            instruction(a -> a.vmulps(12, 3, at(RDX, 0x460)), "c5 64 59 a2 60 04 00 00"),
            instruction(a -> a.vmaxps(0, 0, 1), "c5 fc 5f c1"),
            instruction(a -> a.vmaxps(9, 7, at(RDI, 32)), "c5 44 5f 4f 20"),
            instruction(a -> a.vcmpnltps(4, 1, 11), "c4 c1 74 c2 e3 05"),
            instruction(a -> a.vpaddd(3, 13, 2), "c5 95 fe da"),
            instruction(a -> a.vperm2f128(1, 10), "c4 c3 2d 06 ca 01"),
            instruction(a -> a.vpermilps(1, 8, 0x4e), "c4 c3 7d 04 c8 4e"),
            instruction(a -> a.vfmadd213ps(3, 1, 12), "c4 c2 75 a8 dc"),
            instruction(a -> a.vfmadd213ps(3, 9, at(RBX, 0x120)), "c4 e2 35 a8 9b 20 01 00 00"),
            instruction(a -> a.vfmadd231ps(7, 12, at(RAX, 0x2a0)), "c4 e2 1d b8 b8 a0 02 00 00"),
            instruction(a -> a.vfmadd231ps(11, 1, at(R13, 32)), "c4 42 75 b8 5d 20"),
            instruction(a -> a.vbroadcastss(15, new Memory(R10, RSI, 2, 4)), "c4 42 7d 18 7c 72 04"),
            instruction(a -> a.vbroadcastss(15, new Memory(RBX, RSI, 1, 8)), "c4 62 7d 18 7c 33 08"),
            instruction(a -> a.vmovups(2, new Memory(RAX, R9, 8, 64)), "c4 a1 7c 10 54 c8 40"),
            instruction(a -> a.vmovups(new Memory(R12, RCX, 4, -128), 9), "c4 41 7c 11 4c 8c 80"),
            instruction(a -> a.mov(RBX, new Memory(RSP, R9, 2, 16)), "4a 8b 5c 4c 10"),
            instruction(a -> a.prefetcht0(new Memory(RSI, R13, 4, 64)), "42 0f 18 4c ae 40"),
            instruction(a -> a.vzeroupper(), "c5 f8 77"),
            instruction(a -> a.mov(R10, RSI), "49 89 f2"),
            instruction(a -> a.mov(RAX, R15), "4c 89 f8"),
            instruction(a -> a.mov(RBX, at(RSP, 48)), "48 8b 5c 24 30"),
            instruction(a -> a.mov(R14, at(R12, 512)), "4d 8b b4 24 00 02 00 00"),
            instruction(a -> a.add(RDI, 256), "48 81 c7 00 01 00 00"),
            instruction(a -> a.add(R9, 1), "49 83 c1 01"),
            instruction(a -> a.add(RAX, R8), "4c 01 c0"),
            instruction(a -> a.add(RDI, at(RSP, 40)), "48 03 7c 24 28"),
            instruction(a -> a.sub(R11, 1), "49 83 eb 01"),
            instruction(a -> a.sub(RDI, RBX), "48 29 df"),
            instruction(a -> a.and(RSP, -64), "48 83 e4 c0"),
            instruction(a -> a.shl(R11, 7), "49 c1 e3 07"),
            instruction(a -> a.test(RDX), "48 85 d2"),
            instruction(a -> a.cmovz(R13, RSI), "4c 0f 44 ee"),
            instruction(a -> a.push(RBX), "53"),
            instruction(a -> a.push(R13), "41 55"),
            instruction(a -> a.pop(R12), "41 5c"),
            instruction(a -> a.ret(), "c3"));

    private static final List<Instruction> WIDE_INSTRUCTIONS = List.of(
            instruction(a -> a.vmovups(3, at(RSI, 64)), "62 f1 7c 48 10 5e 01"),
            instruction(a -> a.vmovups(19, at(R9, 8192)), "62 c1 7c 48 10 99 00 20 00 00"),
            instruction(a -> a.vmovups(9, at(RSP, 8192)), "62 71 7c 48 10 8c 24 00 20 00 00"),
            instruction(a -> a.vmovups(at(R12, -128), 28), "62 41 7c 48 11 64 24 fe"),
            instruction(a -> a.vmovups(at(R13, 0), 15), "62 51 7c 48 11 7d 00"),
            instruction(a -> a.vmovups(2, new Memory(RAX, R9, 8, 68)), "62 b1 7c 48 10 94 c8 44 00 00 00"),
            instruction(a -> a.vmovupsEight(9, at(R9, 32)), "c4 41 7c 10 49 20"),
            instruction(a -> a.vmovupsEight(at(RAX, 128), 3), "c5 fc 11 98 80 00 00 00"),
            instruction(a -> a.vbroadcastss(10, at(RAX, 4)), "62 72 7d 48 18 50 01"),
            instruction(a -> a.vbroadcastss(30, new Memory(R10, RSI, 2, 508)), "62 42 7d 48 18 74 72 7f"),
            instruction(a -> a.vbroadcastss(1, at(RBP, 512)), "62 f2 7d 48 18 8d 00 02 00 00"),
            instruction(a -> a.vbroadcastss(1, at(RBP, 2)), "62 f2 7d 48 18 8d 02 00 00 00"),
            instruction(a -> a.vxorps(0, 0, 0), "62 f1 7c 48 57 c0"),
            instruction(a -> a.vxorps(25, 26, 27), "62 01 2c 40 57 cb"),
            instruction(a -> a.vpermd(4, 21, 31), "62 92 55 40 36 e7"),
            instruction(a -> a.vpermd(20, 5, 15), "62 c2 55 48 36 e7"),
            instruction(a -> a.vpsrld(17, 12, 4), "62 d1 75 40 72 d4 04"),
            instruction(a -> a.vpslld(8, 27, 16), "62 91 3d 48 72 f3 10"),
            instruction(a -> a.vpermw(4, 21, 31), "62 92 d5 40 8d e7"),
            instruction(a -> a.vpermw(28, 5, 15), "62 42 d5 48 8d e7"),
            instruction(a -> a.vpternlogd(3, 17, at(R12, 192), 0xf8), "62 d3 75 40 25 5c 24 03 f8"),
            instruction(a -> a.vpternlogd(26, 2, 29, 0xf8), "62 03 6d 48 25 d5 f8"),
            instruction(a -> a.vprold(20, at(RDX, 128), 8), "62 f1 5d 40 72 4a 02 08"),
            instruction(a -> a.vprold(3, at(R12, -64), 24), "62 d1 65 48 72 4c 24 ff 18"),
            instruction(a -> a.movzx(R10, at(RSI, 5)), "4c 0f b6 56 05"),
            instruction(a -> a.movzx(RBX, new Memory(R13, R9, 2, 200)), "4b 0f b6 9c 4d c8 00 00 00"),
            instruction(a -> a.vpand(1, 18, 3), "62 f1 6d 40 db cb"),
            instruction(a -> a.vpand(13, 28, at(R8, 192)), "62 51 1d 40 db 68 03"),
            instruction(a -> a.vaddps(5, 22, 9), "62 d1 4c 40 58 e9"),
            instruction(a -> a.vaddps(3, 3, at(R9, 256)), "62 d1 64 48 58 59 04"),
            instruction(a -> a.vsubps(1, 7, 16), "62 b1 44 48 5c c8"),
            instruction(a -> a.vmulps(12, 3, at(RDX, 0x460)), "62 71 64 48 59 a2 60 04 00 00"),
            instruction(a -> a.vmaxps(0, 17, 1), "62 f1 74 40 5f c1"),
            instruction(a -> a.vfmadd213ps(3, 9, at(RBX, 0x140)), "62 f2 35 48 a8 5b 05"),
            instruction(a -> a.vfmadd213ps(3, 1, 28), "62 92 75 48 a8 dc"),
            instruction(a -> a.vfmadd231ps(7, 24, 15), "62 d2 3d 40 b8 ff"),
            instruction(a -> a.vfmadd231ps(23, 1, at(R13, 64)), "62 c2 75 48 b8 7d 01"),
            instruction(a -> a.vfmadd231psOne(7, 24, at(R13, 252)), "62 d2 3d 50 b8 7d 3f"),
            instruction(a -> a.vfmadd231psOne(31, 1, at(R11, -512)), "62 42 75 58 b8 7b 80"),
            instruction(
                    a -> a.vfmadd231psOne(31, 1, new Memory(RCX, R14, 4, 1024)), "62 22 75 58 b8 bc b1 00 04 00 00"));

    private record Instruction(Consumer<Assembler> emit, String hex) {}

    private static Instruction instruction(Consumer<Assembler> emit, String hex) {
        return new Instruction(emit, hex);
    }

    private static Memory at(General base, int displacement) {
        return new Memory(base, displacement);
    }

    @TestFactory
    Stream<DynamicTest> instructionsAreEncodedAsTheGnuAssemblerDoes() {
        return Stream.concat(tests(256, INSTRUCTIONS), tests(512, WIDE_INSTRUCTIONS));
    }

    private static Stream<DynamicTest> tests(int bits, List<Instruction> instructions) {
        return instructions.stream()
                .map(one -> DynamicTest.dynamicTest(one.hex(), () -> {
                    Assembler assembler = new Assembler(bits);
                    one.emit().accept(assembler);
                    assertThat(HexFormat.ofDelimiter(" ").formatHex(assembler.bytes()))
                            .isEqualTo(one.hex());
                }));
    }

    @Test
    void registersThatAreNoneAreRefused() {
        assertThatThrownBy(() -> new Assembler().vxorps(16, 0, 0)).hasMessageContaining("vector register 16");
        assertThatThrownBy(() -> new Assembler().vpunpcklbw(0, 0, -1)).hasMessageContaining("vector register -1");
        assertThatThrownBy(() -> new Assembler(512).vxorps(0, 0, 32)).hasMessageContaining("vector register 32");
    }

    @Test
    void whatAWidthLacksIsRefused() {
        assertThatThrownBy(() -> new Assembler(128)).hasMessageContaining("128 bits");
        assertThatThrownBy(() -> new Assembler(512).vcmpnltps(0, 1, 2)).hasMessageContaining("vcmpnltps at 512");
        assertThatThrownBy(() -> new Assembler().vfmadd231psOne(0, 1, at(RAX, 0)))
                .hasMessageContaining("at 256 bits");
    }

    /** 10 + 9 + ... + 1, added in a loop that jumps back. */
    @Test
    void codeRunsAndJumpsBack() throws Throwable {
        Optional<String> obstacle = Executable.obstacle(Set.of());
        assumeTrue(obstacle.isEmpty(), () -> "no machine code here: " + obstacle.get());
        Assembler a = new Assembler();
        a.sub(RAX, RAX);
        Label loop = a.here();
        a.add(RAX, RDI);
        a.sub(RDI, 1);
        a.jnz(loop);
        a.ret();
        long sum = (long)
                Executable.function(a.bytes(), FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG))
                        .invokeExact(10L);
        assertThat(sum).isEqualTo(55);
    }

    @Test
    void codeJumpsAhead() throws Throwable {
        Optional<String> obstacle = Executable.obstacle(Set.of());
        assumeTrue(obstacle.isEmpty(), () -> "no machine code here: " + obstacle.get());
        Assembler a = new Assembler();
        a.mov(RAX, RDI);
        Jump over = a.jmp();
        a.add(RAX, 100);
        a.land(over);
        a.add(RAX, 1);
        a.ret();
        long sum = (long)
                Executable.function(a.bytes(), FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG))
                        .invokeExact(10L);
        assertThat(sum).isEqualTo(11);
    }

    @Test
    void indicesThatAreNoneAreRefused() {
        assertThatThrownBy(() -> new Memory(RAX, RSP, 1, 0)).hasMessageContaining("index RSP");
        assertThatThrownBy(() -> new Memory(RAX, RCX, 3, 0)).hasMessageContaining("times 3");
    }

    @Test
    void aProcessorThatLacksAFeatureIsNamed() {
        assumeTrue(Executable.obstacle(Set.of()).isEmpty(), "no machine code here at all");
        assertThat(Executable.obstacle(Set.of("sse2"))).isEmpty();
        assertThat(Executable.obstacle(Set.of("sse2", "warp9"))).hasValue("processor without warp9");
    }
}
