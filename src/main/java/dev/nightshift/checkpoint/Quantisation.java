package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.quant.FourBitQuantiser;
import dev.nightshift.tensor.FourBitCode;
import java.util.Locale;
import java.util.Optional;

/** What the 16-bit linears of the decoder layers become at load ({@code nightshift.quantisation}). */
public enum Quantisation {
    NF4(Optional.of(FourBitCode.NF4)),
    FP4(Optional.of(FourBitCode.FP4)),
    NONE(Optional.empty());

    /** QLoRA's block size. */
    private static final int BLOCK_SIZE = 64;

    private final Optional<FourBitQuantiser> quantiser;

    Quantisation(Optional<FourBitCode> code) {
        this.quantiser = code.map(c -> new FourBitQuantiser(c, BLOCK_SIZE, true));
    }

    Optional<FourBitQuantiser> quantiser() {
        return quantiser;
    }

    /** The value of the setting: {@code nf4}, {@code fp4} or {@code none}. */
    public static Quantisation parse(String setting) {
        return switch (setting.strip().toLowerCase(Locale.ROOT)) {
            case "nf4" -> NF4;
            case "fp4" -> FP4;
            case "none" -> NONE;
            default ->
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST, "quantisation '%s' is none of nf4, fp4, none".formatted(setting));
        };
    }
}
