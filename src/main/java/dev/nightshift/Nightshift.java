package dev.nightshift;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.tokenizer.Tokenizer;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.annotations.QuarkusMain;

/** The process: what takes long and needs no settings begins beside the application's own start, on other cores. */
@QuarkusMain
public final class Nightshift {
    private Nightshift() {}

    /** Starts the server and stays until it stops. */
    public static void main(String... arguments) {
        Thread.ofPlatform().daemon().name("nightshift-tokenizer").start(Nightshift::loadTokenizer);
        Quarkus.run(arguments);
    }

    /** The tokenizer's native library unpacks itself at its first use. */
    private static void loadTokenizer() {
        Tokenizer.load(Checkpoint.embeddedTokenizer());
    }
}
