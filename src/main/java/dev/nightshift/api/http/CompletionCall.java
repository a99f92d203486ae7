package dev.nightshift.api.http;

import dev.nightshift.chat.ChatRequest;
import java.util.List;

/**
 * A text completion after validation.
 *
 * @param requests one per prompt; choice {@code i * n + j} is choice j of prompt i
 * @param echo choices begin with their prompt, and their log-probabilities with the prompt's
 * @param logprobs alternatives per token, -1 = none shown
 * @param promptLogprobs choices carry vLLM's {@code prompt_logprobs}
 */
record CompletionCall(
        List<ChatRequest> requests,
        StreamFields streaming,
        boolean echo,
        int logprobs,
        boolean promptLogprobs,
        TokenForm tokenForm) {
    CompletionCall {
        requests = List.copyOf(requests);
    }

    int choicesPerPrompt() {
        return requests.getFirst().n();
    }
}
