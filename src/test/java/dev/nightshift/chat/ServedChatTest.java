package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ServedChatTest {
    private final ServedChat served = new ServedChat();
    private final Chat chat = Fixture.chat(new ScriptedTokens(0, List.of()));

    private ServingException refusal() {
        ServingException refusal = catchThrowableOfType(ServingException.class, served::get);
        assertThat(refusal.code()).isEqualTo(ErrorCode.UNAVAILABLE);
        return refusal;
    }

    @Test
    void saysHowFarLoadingIsAndWhenToComeAgain() {
        served.loading("layers: 3 of 12");
        assertThat(refusal()).hasMessage("layers: 3 of 12");
        assertThat(refusal().retryAfter()).contains(Duration.ofSeconds(2));
        assertThat(served.notReady()).contains("layers: 3 of 12");
        assertThat(served.dead()).isEmpty();
    }

    @Test
    void givesTheChatOnceItIsLoadedAndTellsOfAnEngineThatHangs() {
        served.ready(chat, Optional::empty);
        assertThat(served.get()).isSameAs(chat);
        assertThat(served.notReady()).isEmpty();
        served.ready(chat, () -> Optional.of("no step has ended for 130 s"));
        assertThat(served.get()).as("requests may still try").isSameAs(chat);
        assertThat(served.notReady()).contains("no step has ended for 130 s");
    }

    @Test
    void aServerThatStopsTakesNothingNewAndStaysSo() {
        served.ready(chat, Optional::empty);
        served.drain();
        served.ready(chat, Optional::empty);
        assertThat(refusal().getMessage()).contains("stopping");
        assertThat(served.notReady()).isPresent();
        assertThat(served.dead()).isEmpty();
    }

    @Test
    void theFirstFatalReasonStays() {
        served.failed("the device is lost");
        served.failed("another");
        served.drain();
        served.ready(chat, Optional::empty);
        assertThat(served.dead()).contains("the device is lost");
        assertThat(refusal()).hasMessage("the device is lost");
    }
}
