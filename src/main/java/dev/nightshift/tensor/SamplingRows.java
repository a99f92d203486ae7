package dev.nightshift.tensor;

/**
 * Sampling parameters of the rows that end in a new token, in fixed tensors so that a step can be replayed as one graph.
 * [R] = rows, V = vocabulary.
 *
 * <p>Order of operations per row (vLLM's): repetition penalty over prompt and output tokens (divide a positive logit, multiply
 * a negative one), frequency and presence penalty over output tokens, logit bias, banned tokens to -inf, then the reported
 * log-probabilities, then temperature, min_p, top_k, top_p, then one draw. Temperature 0 = greedy (lowest id on a tie). What a
 * mask forbids is banned too.
 *
 * <p>The filters: weights {@code w = exp((logit - max) / temperature)}; min_p keeps {@code w >= minP * max w}; top_k keeps the k
 * largest (lower ids win a tie); top_p, over what is left and in falling order (lower id first), keeps a token if the sum of
 * those before it is below {@code topP} of their total, so always the first. The draw: u = {@link CounterRandom#uniform(long,
 * long)}; the first kept token, by rising id, whose running sum of w exceeds u times the total.
 *
 * <p>A row that holds NaN or +infinity, or in which nothing is allowed, gives id -1, logprob NaN, top ids -1, top logprobs NaN,
 * and counts nothing.
 *
 * @param temperature [R] F32
 * @param topK [R] I32, 0 = off
 * @param topP [R] F32, 1 = off
 * @param minP [R] F32, 0 = off
 * @param repetitionPenalty [R] F32, 1 = off
 * @param presencePenalty [R] F32
 * @param frequencyPenalty [R] F32
 * @param seeds [R] I64, and the draw depends on nothing but (seed, counter)
 * @param counters [R] I64, number of tokens drawn so far in the sequence
 * @param biasIds [R, biasMax] I32, -1 = unused
 * @param biases [R, biasMax] F32, -inf bans the token
 * @param historySlots [R] I32, row of {@code history}, or -1 if the row has no penalty
 * @param history [historyRows, V] I32: low 31 bits = times the token was generated, top bit = stands in the prompt; the
 *     token drawn is counted by the operation itself
 * @param maskSlots [R] I32, row of {@code masks} or -1
 * @param masks [maskRows, ceil(V / 32)] I32, bit set = token allowed (structured output)
 */
public record SamplingRows(
        Tensor temperature,
        Tensor topK,
        Tensor topP,
        Tensor minP,
        Tensor repetitionPenalty,
        Tensor presencePenalty,
        Tensor frequencyPenalty,
        Tensor seeds,
        Tensor counters,
        Tensor biasIds,
        Tensor biases,
        Tensor historySlots,
        Tensor history,
        Tensor maskSlots,
        Tensor masks) {}
