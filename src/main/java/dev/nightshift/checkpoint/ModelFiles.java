package dev.nightshift.checkpoint;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;

/** The files of one model, wherever they lie. Paths are relative, with forward slashes. */
interface ModelFiles {
    /** Where they lie, for messages. */
    String place();

    /** Content of a small file, if it is there. */
    Optional<byte[]> read(String path);

    /** Names of the files directly in a folder, sorted; empty if there is no such folder. "" is the top. */
    List<String> list(String folder);

    /** A safetensors file, readable as long as {@code arena} lives. */
    SafetensorsFile open(String path, Arena arena);

    /** A text that changes when a tensor file is replaced, to recognise a digest computed before; empty if that can't be known. */
    Optional<String> fingerprint(List<String> paths);
}
