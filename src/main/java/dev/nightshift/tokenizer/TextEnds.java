package dev.nightshift.tokenizer;

import java.util.Optional;

/**
 * What stands around a text whose special tokens are added, where tokenizer_config.json says it; else tokenizer.json does.
 *
 * @param addBos {@code add_bos_token}, where it is given; addEos alike
 * @param bos text of the token; without one nothing is added
 */
public record TextEnds(Optional<Boolean> addBos, Optional<Boolean> addEos, Optional<String> bos, Optional<String> eos) {
    /** All is as tokenizer.json has it. */
    public static final TextEnds AS_WRITTEN =
            new TextEnds(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
}
