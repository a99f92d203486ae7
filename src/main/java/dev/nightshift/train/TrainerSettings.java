package dev.nightshift.train;

/**
 * Everything numeric about training but the learning rate's course.
 *
 * @param capacityTokens rows of a micro batch at most
 * @param chunkRows rows of one stage of a layer
 * @param headRows rows of one stage of the head; its logits are [headRows, vocab]
 * @param activationBytesMax for layers whose activations are kept; the others are computed again (gradient checkpointing)
 * @param dropout of the adapters' input
 * @param loraPlusRatio learning rate of B over that of A (arXiv 2402.12354); 1 = off
 * @param neftuneAlpha noise on the embeddings (arXiv 2310.05914); 0 = off
 * @param maxGradNorm 0 = no clipping
 * @param optimizerBytesMax device memory for optimizer state; what does not fit is paged to the host
 */
public record TrainerSettings(
        int capacityTokens,
        int chunkRows,
        int headRows,
        long activationBytesMax,
        float dropout,
        float loraPlusRatio,
        float neftuneAlpha,
        float beta1,
        float beta2,
        float epsilon,
        float weightDecay,
        float maxGradNorm,
        OptimizerKind optimizer,
        long optimizerBytesMax) {
    /** How AdamW keeps its state. */
    public enum OptimizerKind {
        ADAMW_32,
        ADAMW_8BIT
    }

    public TrainerSettings {
        if (capacityTokens < 2 || chunkRows < 1 || headRows < 1) {
            throw new IllegalStateException(
                    "capacity %d, chunk %d, head rows %d".formatted(capacityTokens, chunkRows, headRows));
        }
    }
}
