package dev.nightshift.tensor;

/**
 * What comes out of the head: chosen tokens with natural-log probabilities.
 *
 * @param ids [R] I32, the token; -1 if the row's logits hold NaN or +infinity or nothing is allowed
 * @param logprobs [R] F32 of that token; NaN where the id is -1
 * @param topIds [R, topMax] I32 by falling probability, lower id first on a tie
 * @param topLogprobs [R, topMax] F32
 */
public record TokenScores(Tensor ids, Tensor logprobs, Tensor topIds, Tensor topLogprobs) {}
