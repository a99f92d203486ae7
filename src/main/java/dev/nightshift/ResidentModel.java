package dev.nightshift;

import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.TokenSource;
import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.engine.EngineLoop;
import dev.nightshift.tensor.TensorOps;

/**
 * A loaded model and what runs it.
 *
 * @param id the base model's name in the API
 */
record ResidentModel(
        String id,
        Checkpoint checkpoint,
        TensorOps ops,
        EngineLoop engine,
        AdapterRegistry adapters,
        TokenSource tokens,
        Chat chat)
        implements AutoCloseable {

    /** Ends every sequence, then gives the memory back. */
    @Override
    public void close() {
        engine.close();
        adapters.close();
        ops.close();
        checkpoint.close();
    }
}
