package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
    @TempDir
    private Path folder;

    private static SafetensorsFile parse(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return parse(json.length, json, dataBytes);
    }

    private static SafetensorsFile parse(long length, byte[] json, int dataBytes) {
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(length).put(json);
        return new SafetensorsFile("a.safetensors", MemorySegment.ofArray(file.array()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}                                 | 4  | is truncated: tensor a ends at byte 8 of 4 bytes of data",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}                                 | 12 | 4 bytes after a belong to no tensor",
                "{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}}                                 | 8  | tensor a of type F32 and shape [3] needs 12 bytes, its data_offsets hold 8",
                "{'a':{'dtype':'F33','shape':[2],'data_offsets':[0,8]}}                                 | 8  | tensor a has the unknown dtype 'F33'",
                "{'a':{'shape':[2],'data_offsets':[0,8]}}                                               | 8  | tensor a has the unknown dtype ''",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}                                 | 8  | tensor a has data_offsets [8, 0]",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}                                | 8  | tensor a has data_offsets [-8, 0]",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0]}}                                   | 8  | tensor a has data_offsets [0], two integers expected",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,99999999999999999999]}}              | 8  | two integers expected",
                "{'a':{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}}                                | 8  | tensor a has shape [-2]",
                "{'a':{'dtype':'F32','shape':2,'data_offsets':[0,8]}}                                   | 8  | tensor a has shape 2, a list expected",
                "{'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,8]}}             | 8  | more bytes than a file can hold",
                "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},'b':{'dtype':'U8','shape':[4],'data_offsets':[2,6]}} | 6 | tensors a and b overlap",
                "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},'b':{'dtype':'U8','shape':[4],'data_offsets':[6,10]}} | 10 | 2 bytes between a and tensor b belong to no tensor",
                "{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]},'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}} | 1 | header is no valid JSON: Duplicate field 'a'",
                "[1]                                                                                    | 0  | header is no JSON object",
                "{'a':                                                                                  | 0  | header is no valid JSON",
                "{'__metadata__':[]}                                                                    | 0  | __metadata__ is no object",
            })
    void damageIsNamed(String header, int dataBytes, String message) {
        assertThatThrownBy(() -> parse(header.replace('\'', '"'), dataBytes))
                .isInstanceOf(ServingException.class)
                .hasMessageStartingWith("safetensors file a.safetensors: ")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "100000001 | header length 100000001 exceeds the limit of 100000000 bytes",
                "-1        | header length 18446744073709551615 exceeds the limit of 100000000 bytes",
                "3         | is truncated: its header ends at byte 11, the file at 10",
            })
    void headerLengthsPastTheEndAreNamed(long length, String message) {
        assertThatThrownBy(() -> parse(length, new byte[] {'{', '}'}, 0)).hasMessageContaining(message);
    }

    @Test
    void filesThatAreMissingOrTooShortAreNamed() throws IOException {
        Path missing = folder.resolve("model.safetensors");
        assertThatThrownBy(() -> SafetensorsFile.map(missing, Arena.ofAuto())).hasMessage(missing + " is missing");
        Files.write(missing, new byte[7]);
        assertThatThrownBy(() -> SafetensorsFile.map(missing, Arena.ofAuto()))
                .hasMessageContaining("is truncated: 7 bytes");
        Files.write(missing, new byte[0]);
        assertThatThrownBy(() -> SafetensorsFile.map(missing, Arena.ofAuto()))
                .hasMessageContaining("is truncated: 0 bytes");
    }

    @Test
    void typesThatNothingComputesWithMayLieInAFile() {
        SafetensorsFile file = parse("{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]}}  ", 2);
        StoredTensor tensor = file.find("a").orElseThrow();
        assertThat(tensor.type()).isEqualTo(StoredType.I8);
        assertThatThrownBy(tensor::tensor).hasMessage("a.safetensors: tensor a has type I8, which is not supported");
    }

    @Test
    void readsWhatItWroteAlignedAndLeavesNoTemporaryFile() throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("odd", new Tensor(MemorySegment.ofArray(new byte[] {1, 2, 3}), DType.U8, Shape.of(3)));
        tensors.put("half", new Tensor(MemorySegment.ofArray(new short[] {1, 2}), DType.BF16, Shape.of(1, 2)));
        tensors.put("ü.scalar", new Tensor(MemorySegment.ofArray(new float[] {-0.0f}), DType.F32, Shape.of()));
        tensors.put("empty", new Tensor(MemorySegment.ofArray(new float[0]), DType.F32, Shape.of(0, 4)));
        tensors.put("long", new Tensor(MemorySegment.ofArray(new long[] {Long.MIN_VALUE}), DType.I64, Shape.of(1)));
        Path path = folder.resolve("adapter_model.safetensors");
        Files.writeString(path, "what was there before");
        SafetensorsWriter.write(path, tensors, Map.of("format", "pt"));
        SafetensorsFile file = SafetensorsFile.map(path, Arena.ofAuto());
        assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
        assertThat(file.tensors().keySet()).containsExactly("long", "empty", "ü.scalar", "half", "odd");
        for (String name : tensors.keySet()) {
            Tensor read = file.find(name).orElseThrow().tensor();
            assertThat(read.dtype()).isEqualTo(tensors.get(name).dtype());
            assertThat(read.shape()).isEqualTo(tensors.get(name).shape());
            assertThat(read.data().mismatch(tensors.get(name).data())).isEqualTo(-1);
            assertThat(read.data().address() % read.dtype().bytes()).isZero();
        }
        assertThat(file.find("long").orElseThrow().data().address() % 8).isZero();
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(path);
        }
        byte[] head = file.find("odd").orElseThrow().data().toArray(ValueLayout.JAVA_BYTE);
        assertThat(head).containsExactly(1, 2, 3);
    }
}
