package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.failure.ServingException;
import io.smallrye.mutiny.subscription.UniEmitter;
import jakarta.ws.rs.core.Response;

/** One JSON answer when everything is there. */
final class WholeOutlet implements Outlet {
    private final AnswerForm form;
    private final UniEmitter<? super Response> emitter;

    WholeOutlet(AnswerForm form, UniEmitter<? super Response> emitter) {
        this.form = form;
        this.emitter = emitter;
    }

    @Override
    public boolean full() {
        return false;
    }

    @Override
    public void event(int prompt, ChatEvent event) {
        form.accept(prompt, event);
    }

    @Override
    public void completed() {
        emitter.complete(Answers.json(form.answer()));
    }

    @Override
    public void failed(ServingException failure) {
        emitter.fail(failure);
    }

    @Override
    public void gone() {
        emitter.complete(null);
    }
}
