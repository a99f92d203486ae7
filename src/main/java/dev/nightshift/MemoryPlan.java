package dev.nightshift;

import dev.nightshift.engine.EngineLimits;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.TensorOps;
import java.util.OptionalInt;

/** How the memory budget is cut: weights and workspaces take what they need, key-value blocks as much of the rest as is of use. */
final class MemoryPlan {
    /** Share of the budget left for what is planned after the cache: batches and the sampler's state. */
    private static final double RESERVE = 0.05;

    private static final int ADAPTER_RANK = 64;
    /** Most of the budget that adapters take unless a setting says so. */
    private static final double ADAPTER_SHARE = 0.15;

    private MemoryPlan() {}

    /** The setting within the model's own context, which dynamic rope scaling alone can stretch: as far as the setting says. */
    static int contextMax(OptionalInt setting, ModelConfig config) {
        int own = config.maxPositions();
        return config.rope().scaling() instanceof RopeConfig.Dynamic
                ? setting.orElse(own)
                : Math.min(setting.orElse(own), own);
    }

    static KvCache kvCache(TensorOps ops, Llama llama, EngineLimits limits, int blockTokens, long budgetBytes) {
        ModelConfig config = llama.config();
        KvLayout layout = ops.kvLayout(config.layers(), config.kvHeads(), config.headDim(), blockTokens);
        long reserve = (long) (budgetBytes * RESERVE) + samplerBytes(limits, config);
        long left = budgetBytes - booked(ops) - reserve;
        long blocks = Math.min(left / layout.blockBytes(), blocksOfUse(limits, blockTokens));
        if (blocks < 2) {
            throw new ServingException(
                    ErrorCode.INSUFFICIENT_STORAGE,
                    "nightshift.memory-budget of %,d bytes leaves %,d for the key-value cache after weights and workspaces; two blocks need %,d"
                            .formatted(budgetBytes, left, 2 * layout.blockBytes()));
        }
        return KvCache.allocate(ops, config, blockTokens, (int) blocks);
    }

    /** Of all adapter slots: rank 64 in 16 bits on every linear for each, and one whole head, as far as the budget allows. */
    static long adapterBytes(ModelConfig config, int slots, long budgetBytes) {
        long factors = 0;
        for (int target = 0; target < LoraTargets.embedding(config.layers()); target++) {
            factors += AdapterModules.inputs(config, target) + AdapterModules.outputs(config, target);
        }
        long wanted = slots * (factors * ADAPTER_RANK * 2 + (1 << 20)) + 4L * config.vocabSize() * config.hiddenSize();
        return Math.min(wanted, (long) (budgetBytes * ADAPTER_SHARE));
    }

    /** Every running sequence at full length; more could only serve the prefix cache, which lives on what is idle. */
    private static long blocksOfUse(EngineLimits limits, int blockTokens) {
        return (long) limits.maxRunning() * Math.ceilDiv(limits.maxContext(), blockTokens);
    }

    /** Counts of the penalties' history, and logits with their sorted copy, all of a vocabulary's width. */
    private static long samplerBytes(EngineLimits limits, ModelConfig config) {
        long rows = limits.historySlots() + 2L * (limits.maxRunning() + limits.scoreRows());
        return rows * config.vocabSize() * Float.BYTES;
    }

    static long booked(TensorOps ops) {
        long bytes = 0;
        for (MemoryPart part : MemoryPart.values()) {
            bytes += ops.allocatedBytes(part);
        }
        return bytes;
    }
}
