package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;

/** Events gathered into one whole answer. One request, one thread. */
non-sealed interface AnswerForm extends Form {

    void accept(int prompt, ChatEvent event);

    /** The wire record, when all prompts are complete. */
    Object answer();
}
