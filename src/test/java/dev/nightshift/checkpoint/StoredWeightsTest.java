package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.quant.DoubleQuantisation;
import dev.nightshift.quant.FourBitDequantiser;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class StoredWeightsTest {
    private static final String DOWN = "model.layers.0.mlp.down_proj";

    @TempDir
    private Path folder;

    private final TinyFolder tiny = new TinyFolder();

    @ParameterizedTest
    @CsvSource({
        "NF4, 32, true", "NF4, 64, true", "NF4, 64, false", "NF4, 128, true", "NF4, 256, false", "NF4, 512, true",
        "NF4, 1024, true", "NF4, 2048, false", "NF4, 4096, true", "FP4, 64, true", "FP4, 64, false", "FP4, 4096, false"
    })
    void bitsandbytesLinearsAreTakenAsTheyAre(FourBitCode code, int blockSize, boolean nested) {
        Weight.FourBit written = tiny.quantise(DOWN, new FourBitQuantiser(code, blockSize, nested));
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder));
                Arena arena = Arena.ofShared()) {
            LayerWeights layer = checkpoint.weights().layer(0, arena);
            Weight.FourBit read = (Weight.FourBit) layer.down();
            assertThat(read.code()).isEqualTo(code);
            assertThat(read.blockSize()).isEqualTo(blockSize);
            assertThat(read.packed().data().mismatch(written.packed().data())).isEqualTo(-1);
            assertThat(DoubleQuantisation.absmax(read.scales())).isEqualTo(DoubleQuantisation.absmax(written.scales()));
            assertThat(FourBitDequantiser.dequantise(read)).isEqualTo(FourBitDequantiser.dequantise(written));
            assertThat(layer.output()).as("a module kept in 16 bit stays so").isInstanceOf(Weight.Dense.class);
            assertThat(checkpoint.notes()).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16", "F32", "U8"})
    void quantStorageOnlyRenamesTheBytes(DType storage) {
        Weight.FourBit written = tiny.quantise(DOWN, new FourBitQuantiser(FourBitCode.NF4, 64, true));
        Tensor renamed = new Tensor(
                written.packed().data(), storage, Shape.of(written.packed().bytes() / storage.bytes(), 1));
        tiny.tensors.put(DOWN + ".weight", renamed);
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder));
                Arena arena = Arena.ofShared()) {
            Weight.FourBit read =
                    (Weight.FourBit) checkpoint.weights().layer(0, arena).down();
            assertThat(read.packed().dtype()).isEqualTo(DType.U8);
            assertThat(read.packed().data().mismatch(written.packed().data())).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16", "F32"})
    void sixteenBitFoldersAreQuantisedWhateverTheirType(DType dtype) {
        tiny.tensors.replaceAll((name, tensor) -> TinyFolder.random(
                name,
                dtype,
                Stream.iterate(0, i -> i < tensor.shape().rank(), i -> i + 1)
                        .mapToLong(i -> tensor.shape().axis(i))
                        .toArray()));
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder));
                Arena arena = Arena.ofShared()) {
            LayerWeights layer = checkpoint.weights().layer(0, arena);
            assertThat(layer.down()).isInstanceOf(Weight.FourBit.class);
            assertThat(layer.inputNorm().dtype()).isEqualTo(DType.F32);
            Weight embedding = checkpoint.weights().embedding(arena);
            assertThat(((Weight.Dense) embedding).values().dtype()).isEqualTo(dtype);
            assertThat(checkpoint.weights().head(embedding, arena)).isNotSameAs(embedding);
        }
    }

    private record Damage(String name, Consumer<TinyFolder> does, String message) {}

    private static void set(TinyFolder tiny, String name, float value) {
        tiny.tensors.get(name).data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, 0, value);
    }

    @TestFactory
    Stream<DynamicTest> damageIsFoundWhenTheModelIsOpened() {
        String key = DOWN + ".weight";
        return Stream.of(damagedTensors(), damagedValues(key), damagedStates(key), damagedFiles(key))
                .flatMap(damages -> damages)
                .map(damage -> DynamicTest.dynamicTest(damage.name(), () -> {
                    TinyFolder broken = new TinyFolder();
                    damage.does().accept(broken);
                    Path place = broken.write(Files.createTempDirectory(folder, "broken"));
                    assertThatThrownBy(() -> TinyFolder.open(place))
                            .isInstanceOf(ServingException.class)
                            .hasMessageContaining(damage.message());
                }));
    }

    private static Stream<Damage> damagedTensors() {
        return Stream.of(
                new Damage(
                        "missing tensor",
                        t -> t.tensors.remove("model.norm.weight"),
                        "tensor model.norm.weight is missing"),
                new Damage(
                        "missing linear",
                        t -> t.tensors.remove("model.layers.0.mlp.up_proj.weight"),
                        "tensor model.layers.0.mlp.up_proj.weight is missing"),
                new Damage(
                        "wrong shape",
                        t -> t.tensors.put("lm_head.weight", TinyFolder.random("h", DType.BF16, 31, 64)),
                        "tensor lm_head.weight: shape [31, 64], the configuration needs [32, 64]"),
                new Damage(
                        "transposed",
                        t -> t.tensors.put(
                                "model.layers.0.self_attn.k_proj.weight", TinyFolder.random("k", DType.BF16, 64, 32)),
                        "shape [64, 32], the configuration needs [32, 64]"),
                new Damage(
                        "type",
                        t -> t.tensors.put("lm_head.weight", TinyFolder.random("h", DType.I32, 32, 64)),
                        "tensor lm_head.weight: type I32 is not supported here"));
    }

    private static Stream<Damage> damagedValues(String key) {
        return Stream.of(
                new Damage(
                        "NaN norm",
                        t -> t.tensors.get("model.norm.weight").data().set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, (short)
                                0x7FC0),
                        "tensor model.norm.weight: value 0 is NaN"),
                new Damage(
                        "NaN plain absmax",
                        t -> {
                            t.quantise(DOWN, new FourBitQuantiser(FourBitCode.NF4, 64, false));
                            set(t, key + ".absmax", Float.NaN);
                        },
                        "tensor " + key + ".absmax: value 0 is NaN"),
                new Damage(
                        "NaN nested absmax",
                        t -> set(nf4(t), key + ".nested_absmax", Float.NaN),
                        "tensor " + key + ".nested_absmax: value 0 is NaN"),
                new Damage(
                        "infinite map",
                        t -> set(nf4(t), key + ".nested_quant_map", Float.POSITIVE_INFINITY),
                        "nested_quant_map: value 0 is Infinity"),
                new Damage(
                        "foreign code book",
                        t -> set(nf4(t), key + ".quant_map", -0.9f),
                        "tensor " + key + ".quant_map: code 0 is -0.9, in NF4 it is -1.0"));
    }

    private static Stream<Damage> damagedStates(String key) {
        return Stream.of(
                new Damage(
                        "missing absmax",
                        t -> nf4(t).tensors.remove(key + ".absmax"),
                        "tensor " + key + ".absmax is missing"),
                new Damage(
                        "missing map",
                        t -> nf4(t).tensors.remove(key + ".nested_quant_map"),
                        "nested_quant_map is missing"),
                new Damage(
                        "short absmax",
                        t -> nf4(t).tensors.put(key + ".absmax", TinyFolder.random("a", DType.U8, 95)),
                        "U8 [95], nested absmax is U8 [96]"),
                new Damage(
                        "short bytes",
                        t -> nf4(t).tensors.put(key, TinyFolder.random("a", DType.U8, 3071, 1)),
                        "3071 bytes of U8, 4-bit [64, 96] needs 3072"),
                new Damage(
                        "state of another shape",
                        t -> nf4(t).state(DOWN, FourBitCode.NF4, "{\"blocksize\": 64, \"shape\": [96, 64]}"),
                        "shape [96, 64], the configuration needs [64, 96]"),
                new Damage(
                        "block size",
                        t -> nf4(t).state(DOWN, FourBitCode.NF4, "{\"blocksize\": 65, \"shape\": [64, 96]}"),
                        "blocksize 65 is not supported"),
                new Damage(
                        "no offset",
                        t -> nf4(t).state(
                                        DOWN,
                                        FourBitCode.NF4,
                                        "{\"blocksize\": 64, \"shape\": [64, 96], \"nested_blocksize\": 256, \"nested_offset\": NaN}"),
                        "nested_offset is \"NaN\""));
    }

    private static Stream<Damage> damagedFiles(String key) {
        String state = key + ".quant_state.bitsandbytes__nf4";
        return Stream.of(
                new Damage(
                        "state is no JSON",
                        t -> nf4(t).state(DOWN, FourBitCode.NF4, "{nf4"),
                        state + " is no valid JSON"),
                new Damage("config is no JSON", t -> t.files.put("config.json", "{"), "config.json is no valid JSON"),
                new Damage("no config", t -> t.files.remove("config.json"), "has no config.json"),
                new Damage("no tokenizer", t -> t.files.remove("tokenizer.json"), "has no tokenizer.json"),
                new Damage(
                        "sentencepiece only",
                        t -> {
                            t.files.remove("tokenizer.json");
                            t.files.put("tokenizer.model", "");
                        },
                        "tokenizer.model (SentencePiece) can be converted"),
                new Damage(
                        "no weights",
                        t -> t.tensors.clear(),
                        "has neither model.safetensors nor model.safetensors.index.json"));
    }

    private static TinyFolder nf4(TinyFolder tiny) {
        tiny.quantise(DOWN, new FourBitQuantiser(FourBitCode.NF4, 64, true));
        return tiny;
    }

    @Test
    void aTruncatedFileIsNamed() throws IOException {
        Path file = tiny.write(folder).resolve("model.safetensors");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 1);
        }
        assertThatThrownBy(() -> TinyFolder.open(folder))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("safetensors file model.safetensors: is truncated");
    }

    @Test
    void aNaNInASixteenBitLinearIsFoundWhenItsLayerIsQuantised() {
        tiny.tensors.get(DOWN + ".weight").data().set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * 64, (short) 0x7FC0);
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder));
                Arena arena = Arena.ofShared()) {
            assertThatThrownBy(() -> checkpoint.weights().layer(0, arena))
                    .hasMessage("layer 0: weight [64, 96] holds a NaN or an infinite value in block 1");
        }
    }

    @Test
    void whatTheArchitectureHasNoPlaceForIsNoted() {
        tiny.tensors.put("model.layers.0.self_attn.rotary_emb.inv_freq", TinyFolder.floats(1, 2));
        tiny.tensors.put("model.layers.0.self_attn.q_proj.bias", TinyFolder.floats(new float[64]));
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder))) {
            assertThat(checkpoint.notes())
                    .contains("2 tensors have no place in this architecture and are left out, the first is "
                            + "model.layers.0.self_attn.q_proj.bias");
        }
    }

    @Test
    void shardsReadLikeOneFile() throws IOException {
        Map<String, Tensor> all = new TreeMap<>(tiny.tensors);
        String digest;
        try (Checkpoint single = TinyFolder.open(tiny.write(Files.createDirectory(folder.resolve("single"))))) {
            digest = single.digest();
        }
        Path sharded = Files.createDirectory(folder.resolve("sharded"));
        writeShards(all, sharded);
        try (Checkpoint checkpoint = TinyFolder.open(sharded);
                Arena arena = Arena.ofShared()) {
            assertThat(checkpoint.weights().layer(0, arena).down()).isInstanceOf(Weight.FourBit.class);
            assertThat(checkpoint.digest())
                    .as("the split into files is no part of the identity")
                    .isEqualTo(digest);
        }
        Path index = sharded.resolve("model.safetensors.index.json");
        Files.writeString(
                index,
                Files.readString(index)
                        .replace("{\"weight_map\": {", "{\"weight_map\": {\"lost\": \"b.safetensors\", "));
        assertThatThrownBy(() -> TinyFolder.open(sharded))
                .hasMessageContaining("tensor lost is missing in shard b.safetensors");
        Files.delete(sharded.resolve("a.safetensors"));
        assertThatThrownBy(() -> TinyFolder.open(sharded))
                .hasMessageContaining("shard a.safetensors, named by model.safetensors.index.json, is missing");
        Files.writeString(index, "{}");
        assertThatThrownBy(() -> TinyFolder.open(sharded)).hasMessageContaining("has no weight_map");
    }

    private void writeShards(Map<String, Tensor> all, Path sharded) throws IOException {
        Map<String, Tensor> first = new TreeMap<>();
        Map<String, Tensor> second = new TreeMap<>();
        StringBuilder map = new StringBuilder();
        all.forEach((name, tensor) -> {
            boolean even = first.size() == second.size();
            (even ? first : second).put(name, tensor);
            map.append(map.isEmpty() ? "" : ", ")
                    .append("\"%s\": \"%s.safetensors\"".formatted(name, even ? "a" : "b"));
        });
        tiny.tensors.clear();
        tiny.files.put("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
        tiny.write(sharded);
        SafetensorsWriter.write(sharded.resolve("a.safetensors"), first, Map.of());
        SafetensorsWriter.write(sharded.resolve("b.safetensors"), second, Map.of());
    }
}
