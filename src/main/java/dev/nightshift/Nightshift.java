package dev.nightshift;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.tokenizer.Tokenizer;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.annotations.QuarkusMain;
import org.jboss.logging.Logger;

/** The process: what takes long and needs no settings begins beside the application's own start, on other cores. */
@QuarkusMain
public final class Nightshift {
    private Nightshift() {}

    /** Starts the server and stays until it stops. */
    public static void main(String... arguments) {
        // both threads log: where two set java.util.logging up at once, they may wait for each other's classes for ever
        Logger.getLogger(Nightshift.class);
        Thread.ofPlatform().daemon().name("nightshift-tokenizer").start(Nightshift::loadTokenizer);
        Quarkus.run(arguments);
    }

    /** The tokenizer's native library unpacks itself at its first use. */
    private static void loadTokenizer() {
        Tokenizer.load(Checkpoint.embeddedTokenizer());
    }
}
