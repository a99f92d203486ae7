package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.failure.ServingException;

/** Where an exchange's events go. Called on the connection's event loop only. */
interface Outlet {

    /** Whether events must wait because the client reads too slowly; the exchange is told by {@code resume} when they may go on. */
    boolean full();

    void event(int prompt, ChatEvent event);

    /** All prompts are complete. */
    void completed();

    /** A prompt failed, the others are cancelled. */
    void failed(ServingException failure);

    /** The client is gone. */
    void gone();
}
