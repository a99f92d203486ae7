package dev.nightshift.quant;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Held against bitsandbytes 0.50.2 (golden quant4). */
class Quant4GoldenTest {
    private record Case(String name, FourBitCode code, int blockSize, boolean nested) {}

    private static Path folder() {
        return GoldenTensors.shared("golden", "quant4");
    }

    private static List<Case> cases() throws IOException {
        List<Case> cases = new ArrayList<>();
        for (JsonNode node : new ObjectMapper()
                .readTree(folder().resolve("meta.json").toFile())
                .get("cases")) {
            FourBitCode code =
                    FourBitCode.valueOf(node.get("quant_type").asText().toUpperCase());
            cases.add(new Case(
                    node.get("name").asText(),
                    code,
                    node.get("blocksize").asInt(),
                    node.get("double_quant").asBoolean()));
        }
        return cases;
    }

    @TestFactory
    List<DynamicTest> quantisesToTheBytesOfBitsandbytes() throws IOException {
        GoldenTensors golden = GoldenTensors.open(folder().resolve("quant4.safetensors"));
        return cases().stream()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> quantisesToTheBytes(golden, c)))
                .toList();
    }

    private void quantisesToTheBytes(GoldenTensors golden, Case c) {
        try (Arena arena = Arena.ofShared()) {
            Weight.FourBit weight = new FourBitQuantiser(c.code(), c.blockSize(), c.nested())
                    .quantise(golden.tensor(c.name() + ".weight"), arena);
            assertThat(bytes(weight.packed())).isEqualTo(golden.bytes(c.name() + ".packed"));
            switch (weight.scales()) {
                case BlockScales.Plain plain ->
                    assertThat(floats(plain.absmax())).isEqualTo(golden.floats(c.name() + ".absmax"));
                case BlockScales.Nested nested -> compareNested(golden, c, nested);
            }
        }
    }

    private static void compareNested(GoldenTensors golden, Case c, BlockScales.Nested ours) {
        assertThat(ours.offset()).isEqualTo(golden.floats(c.name() + ".offset")[0]);
        assertThat(bytes(ours.codes())).isEqualTo(golden.bytes(c.name() + ".absmax"));
        assertThat(floats(ours.nestedAbsmax())).isEqualTo(golden.floats(c.name() + ".nested_absmax"));
        assertThat(floats(ours.map())).isEqualTo(golden.floats(c.name() + ".nested_quant_map"));
    }

    @TestFactory
    List<DynamicTest> dequantisesToTheBitsOfTheFormula() throws IOException {
        GoldenTensors golden = GoldenTensors.open(folder().resolve("quant4.safetensors"));
        return cases().stream()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    float[] values = FourBitDequantiser.dequantise(stored(golden, c));
                    float[] expected = golden.floats(c.name() + ".dequantized");
                    assertThat(differences(values, expected)).isZero();
                }))
                .toList();
    }

    private static Weight.FourBit stored(GoldenTensors golden, Case c) {
        Shape shape = golden.shape(c.name() + ".weight");
        Tensor packed = golden.tensor(c.name() + ".packed");
        Tensor absmax = golden.tensor(c.name() + ".absmax");
        BlockScales scales = c.nested()
                ? new BlockScales.Nested(
                        absmax,
                        golden.tensor(c.name() + ".nested_quant_map"),
                        golden.tensor(c.name() + ".nested_absmax"),
                        256,
                        golden.floats(c.name() + ".offset")[0])
                : new BlockScales.Plain(absmax);
        return new Weight.FourBit(c.code(), (int) shape.axis(0), (int) shape.axis(1), c.blockSize(), packed, scales);
    }

    @Test
    void codeBooksAreThoseOfTheCheckpoints() {
        GoldenTensors golden = GoldenTensors.open(folder().resolve("quant4.safetensors"));
        assertThat(CodeBook.of(FourBitCode.NF4).values()).isEqualTo(golden.floats("nf4_64.quant_map"));
        assertThat(CodeBook.of(FourBitCode.FP4).values()).isEqualTo(golden.floats("fp4_64.quant_map"));
    }

    private static byte[] bytes(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_BYTE);
    }

    private static float[] floats(Tensor tensor) {
        assertThat(tensor.dtype()).isEqualTo(DType.F32);
        return tensor.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    private static int differences(float[] left, float[] right) {
        assertThat(left).hasSameSizeAs(right);
        int different = 0;
        for (int i = 0; i < left.length; i++) {
            different += Float.floatToRawIntBits(left[i]) == Float.floatToRawIntBits(right[i]) ? 0 : 1;
        }
        return different;
    }
}
