package dev.nightshift.tensor;

/**
 * Which sequence each query row belongs to and where its keys and values lie. Rows of one sequence are neighbours, in order
 * of position; several rows a sequence are allowed (chunked prefill). A padding row has sequence -1 and slot -1.
 *
 * @param positions [rows] I32, position of the row in its sequence
 * @param sequences [rows] I32, index into {@code blockTables}
 * @param slots [rows] I32, {@code block * blockTokens + offset} where the row's key and value are written
 * @param blockTables [sequences, blocksMax] I32, block ids in order of position
 * @param cosSin [rows, headDim] F32: the cosines of the row's rotary angles [headDim / 2], then the sines
 */
public record AttentionRows(Tensor positions, Tensor sequences, Tensor slots, Tensor blockTables, Tensor cosSin) {}
