package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import java.util.List;

/** Events into the frames of a stream. One request, one thread. */
non-sealed interface StreamForm extends Form {

    /** The wire records that an event is told by; none where it says nothing new. */
    List<Object> frames(int prompt, ChatEvent event);

    /** What follows when all prompts are complete. */
    List<Object> closing();
}
