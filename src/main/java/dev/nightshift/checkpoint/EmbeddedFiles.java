package dev.nightshift.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/** The model inside the application's jar. Its tensors are read into memory: a jar's entry can't be mapped. */
record EmbeddedFiles() implements ModelFiles {
    static final String NAME = "nightshift-tiny";

    private static final String ROOT = "/models/" + NAME + "/";
    private static final List<String> FILES = List.of(
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json");

    @Override
    public String place() {
        return "the embedded model " + NAME;
    }

    @Override
    public Optional<byte[]> read(String path) {
        if (!FILES.contains(path)) {
            return Optional.empty();
        }
        try (InputStream in = EmbeddedFiles.class.getResourceAsStream(ROOT + path)) {
            if (in == null) {
                throw new IllegalStateException("resource %s%s is missing in the application".formatted(ROOT, path));
            }
            return Optional.of(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException("resource %s%s can't be read".formatted(ROOT, path), e);
        }
    }

    @Override
    public List<String> list(String folder) {
        return folder.isEmpty() ? FILES : List.of();
    }

    @Override
    public SafetensorsFile open(String path, Arena arena) {
        byte[] content = read(path).orElseThrow();
        MemorySegment memory = arena.allocate(content.length, 64);
        MemorySegment.copy(content, 0, memory, ValueLayout.JAVA_BYTE, 0, content.length);
        return new SafetensorsFile(path, memory);
    }

    @Override
    public Optional<String> fingerprint(List<String> paths) {
        return Optional.empty();
    }
}
