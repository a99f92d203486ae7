package dev.nightshift.chat;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.engine.SamplingParameters;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TemplateStopsTest {

    private static ChatRequest request(ChatRequest.Prompt prompt) {
        return new ChatRequest(
                "tiny",
                prompt,
                SamplingParameters.greedy(),
                false,
                Optional.of(8),
                List.of("mine"),
                false,
                true,
                1,
                -1,
                "",
                Optional.empty());
    }

    @Test
    void moreStopsComeAfterTheClientsOwn() {
        ChatRequest more = request(new ChatRequest.Text("a", false)).withMoreStops(List.of("### Human:"));
        assertThat(more.stops()).containsExactly("mine", "### Human:");
        assertThat(more.maxNewTokens()).contains(8);
    }
}
