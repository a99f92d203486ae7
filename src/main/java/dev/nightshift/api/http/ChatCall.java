package dev.nightshift.api.http;

import dev.nightshift.chat.ChatRequest;

/**
 * A chat completion after validation: what the model is asked, and what only the answer's form depends on.
 *
 * @param logprobs whether choices carry the log-probabilities of their tokens
 * @param echoed text of the last message that each choice repeats first, or ""
 */
record ChatCall(ChatRequest request, StreamFields streaming, boolean logprobs, TokenForm tokenForm, String echoed) {}
