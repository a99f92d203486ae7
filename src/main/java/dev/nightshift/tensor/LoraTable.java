package dev.nightshift.tensor;

/**
 * Where the low-rank factors of every adapter slot lie. Slots are byte ranges of one arena, without padding to the largest
 * rank, so nothing here assumes host memory.
 *
 * <p>{@code entries} is [slots, targets, FIELDS] I64; a target is one part of one linear (layer 3's k, say), numbered by the
 * model. Fields of an entry, in order: {@link #A_OFFSET} and {@link #B_OFFSET} byte offsets into {@code arena} of A [rank, in]
 * and B [out, rank]; {@link #RANK} (0 = this target is not adapted); {@link #SCALE} as raw float bits; {@link #GAIN_OFFSET} of
 * the output gain [out] F32 (DoRA), or -1; {@link #REPLACEMENT_OFFSET} of a replacing weight [out, in] (modules_to_save), or
 * -1; {@link #FACTOR_DTYPE} and {@link #REPLACEMENT_DTYPE} as ordinals of {@link DType}.
 *
 * <p>An adapted part is {@code y = gain * (W x + scale * B (A x)) + bias}, gain 1 where absent; a replaced one
 * {@code y = R x + bias}.
 *
 * @param arena [bytes] U8
 * @param entries [slots, targets, 8] I64
 */
public record LoraTable(Tensor arena, Tensor entries, int rankMax) {
    public static final int A_OFFSET = 0;
    public static final int B_OFFSET = 1;
    public static final int RANK = 2;
    public static final int SCALE = 3;
    public static final int GAIN_OFFSET = 4;
    public static final int REPLACEMENT_OFFSET = 5;
    public static final int FACTOR_DTYPE = 6;
    public static final int REPLACEMENT_DTYPE = 7;
    public static final int FIELDS = 8;

    public LoraTable {
        if (entries.shape().rank() != 3 || entries.shape().axis(2) != FIELDS) {
            throw new IllegalStateException("LoRA entries of shape " + entries.shape());
        }
    }
}
