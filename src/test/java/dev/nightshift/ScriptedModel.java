package dev.nightshift;

import dev.nightshift.api.http.ScriptedEngine;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ServedChat;
import io.quarkus.runtime.StartupEvent;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.Optional;

/** Puts the scripted engine before the real one, in every test of the started application. */
@ApplicationScoped
class ScriptedModel {

    void start(@Observes @Priority(5000) StartupEvent started, ModelLifecycle lifecycle, ServedChat served)
            throws InterruptedException {
        ResidentModel model = lifecycle.model();
        Chat real = model.chat();
        int[] words = real.encode(new ChatRequest.Text("one two three", false));
        ScriptedEngine engine = new ScriptedEngine(model.tokens(), words);
        while (served.notReady().isPresent()) {
            Thread.sleep(1); // the real chat must be served before it can be replaced
        }
        served.ready(new Chat(real.model(), real.catalog(), engine, 64), Optional::empty);
    }
}
