package dev.nightshift.adapter;

import java.time.Instant;
import java.util.Map;
import java.util.Objects;

/**
 * Where a version comes from, as its {@code nightshift.json} keeps it. Unknown texts are empty.
 *
 * @param base the base model's name
 * @param baseDigest the base model's digest
 * @param job id of the tuning job that made it
 * @param data what it was trained on
 * @param evaluation numbers of the evaluation by name
 */
public record AdapterOrigin(
        String base, String baseDigest, String job, Instant created, String data, Map<String, Double> evaluation) {
    public AdapterOrigin {
        Objects.requireNonNull(base, "base is null");
        Objects.requireNonNull(baseDigest, "baseDigest is null");
        Objects.requireNonNull(job, "job is null");
        Objects.requireNonNull(created, "created is null");
        Objects.requireNonNull(data, "data is null");
        evaluation = Map.copyOf(evaluation);
    }

    /** Of an adapter that came without a record. */
    static AdapterOrigin foreign(Instant created) {
        return new AdapterOrigin("", "", "", created, "", Map.of());
    }
}
