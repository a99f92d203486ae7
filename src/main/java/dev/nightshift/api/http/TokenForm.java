package dev.nightshift.api.http;

/**
 * How tokens show in answers (vLLM's extras).
 *
 * @param asIds tokens of log-probabilities are written {@code token_id:<id>}
 * @param returnIds choices list their token ids
 */
record TokenForm(boolean asIds, boolean returnIds) {

    static TokenForm read(Fields fields) {
        return new TokenForm(fields.bool("return_tokens_as_token_ids", false), fields.bool("return_token_ids", false));
    }

    String name(int id, String token) {
        return asIds ? "token_id:" + id : token;
    }
}
