package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;
import java.util.Arrays;

/**
 * Causal attention inside the samples of a packed batch, and its backward, as dense products of blocks of queries with all keys
 * that a block sees; keys outside a row's own range weigh zero. Nothing of size [tokens, tokens] is stored: the backward
 * computes the probabilities again from the log of their sum (Dao et al., arXiv 2205.14135), by blocks of queries for q, and from
 * what these leave by blocks of keys for k and v, so that each sum has one owner whatever the number of threads.
 */
final class PackedAttention {
    /** Queries of a block, one a lane. */
    private static final int QUERIES = ChainLanes.COLUMNS;
    /** Floats of the working memory that all threads share, 8 MiB; a key head and a block of queries may need more. */
    private static final int ROOM = 1 << 21;

    private final Workers workers;
    private final QueryBlocks[] blocks;
    private final KeyBlocks[] keyBlocks;
    private final AttentionKeys keys = new AttentionKeys();
    private final AttentionSlopes slopes = new AttentionSlopes();
    private final Workers.Job packJob = (item, thread) -> keys.pack(item);
    private final Workers.Job forwardJob = this::forward;
    private final Workers.Job queryJob = this::queryGradient;
    private final Workers.Job keyJob = this::keyGradient;

    private PackedCall call;
    private long gradient;

    PackedAttention(Workers workers, ChainLanes chains) {
        this.workers = workers;
        blocks = new QueryBlocks[workers.threads()];
        Arrays.setAll(blocks, thread -> new QueryBlocks(chains));
        keyBlocks = new KeyBlocks[workers.threads()];
        Arrays.setAll(keyBlocks, thread -> new KeyBlocks(chains));
    }

    /** See {@link dev.nightshift.tensor.TrainingOps#packedAttention}. */
    void forward(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        PackedCall whole = PackedCall.of(out, null, logSumExp, qkv, segmentStarts, shape, from, to);
        int heads = Math.clamp(ROOM / AttentionKeys.floats(whole, false), 1, shape.kvHeads());
        for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead += heads) {
            call = whole;
            keys.begin(whole, kvHead, Math.min(shape.kvHeads(), kvHead + heads), false);
            workers.run(packJob, keys.items());
            workers.run(forwardJob, queryBlocks() * keys.queryHeads());
        }
    }

    /** See {@link dev.nightshift.tensor.TrainingOps#packedAttentionBackward}. */
    void backward(
            Tensor dqkv,
            Tensor dout,
            Tensor out,
            Tensor logSumExp,
            Tensor qkv,
            Tensor segmentStarts,
            AttentionShape shape,
            int from,
            int to) {
        PackedCall whole = PackedCall.of(out, dout, logSumExp, qkv, segmentStarts, shape, from, to);
        gradient = Raw.address(dqkv);
        int block = AttentionSlopes.floats(whole) * whole.group();
        int rows = Math.clamp(ROOM / block, 1, (to - from + QUERIES - 1) / QUERIES) * QUERIES;
        int ofHead = AttentionKeys.floats(whole, true) + rows / QUERIES * block;
        int heads = Math.clamp(ROOM / ofHead, 1, shape.kvHeads());
        for (int row = from; row < to; row += rows) {
            for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead += heads) {
                call = whole.rows(row, Math.min(to, row + rows));
                keys.begin(call, kvHead, Math.min(shape.kvHeads(), kvHead + heads), true);
                slopes.begin(call, keys, queryBlocks());
                workers.run(packJob, keys.items());
                workers.run(queryJob, queryBlocks() * keys.queryHeads());
                workers.run(keyJob, keys.items());
            }
        }
    }

    private int queryBlocks() {
        return (call.to() - call.from() + QUERIES - 1) / QUERIES;
    }

    /** Blocks that see most keys go first, so that the last items are short. */
    private int block(int item) {
        return queryBlocks() - 1 - item / keys.queryHeads();
    }

    private int head(int item) {
        return keys.firstHead() + item % keys.queryHeads();
    }

    private void forward(int item, int thread) {
        blocks[thread].forward(call, keys, block(item), head(item));
    }

    private void queryGradient(int item, int thread) {
        blocks[thread].backward(call, keys, slopes, gradient, block(item), head(item));
    }

    private void keyGradient(int item, int thread) {
        keyBlocks[thread].backward(call, keys, slopes, gradient, item, queryBlocks());
    }
}
