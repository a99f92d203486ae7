package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;

/** A running request of one prompt, as its one reader sees it. */
public interface PromptEvents {

    /** The next event, or null if there is none yet. After Completed or Failed there are no more. */
    ChatEvent poll();

    /** Ends it before the engine's next step; may be called at any time. */
    void cancel();
}
