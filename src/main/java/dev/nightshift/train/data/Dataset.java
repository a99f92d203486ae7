package dev.nightshift.train.data;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Segment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Files that were read. There are samples only if there is no fault.
 *
 * @param samples a row's segments, which run in one micro batch: one, or the two answers of a pair, the better one first;
 *     each file's rows as often as its weight says
 * @param counts of the rows in the files
 * @param faults the first ones, in order
 * @param faultCount of all
 */
public record Dataset(List<List<Segment>> samples, Counts counts, List<Fault> faults, long faultCount) {
    /** How many faults are told. */
    public static final int FAULTS_MAX = 20;

    /**
     * What is wrong.
     *
     * @param file its name, as the client knows it; may be empty
     * @param line 0 = the data set as a whole
     */
    public record Fault(String file, long line, String message) {
        private String text() {
            String name = file.isEmpty() ? "" : " of '" + file + "'";
            return line == 0 ? message : "line " + line + name + ": " + message;
        }
    }

    /**
     * What was in the files, each row once.
     *
     * @param tokens after cutting
     * @param targetTokens those that bear loss
     * @param truncated rows that were cut at the end
     * @param dropped rows of which no token to learn was left
     * @param lastTurnOnly conversations of which the template lets only the last turn be learnt
     * @param duplicates rows that repeat an earlier one; they count
     */
    public record Counts(
            long rows,
            long tokens,
            long targetTokens,
            int longestTokens,
            long truncated,
            long dropped,
            long lastTurnOnly,
            long duplicates) {}

    public Dataset {
        samples = List.copyOf(samples);
        faults = List.copyOf(faults);
        if (faultCount > 0 && !samples.isEmpty()) {
            throw new IllegalStateException(faultCount + " faults, yet " + samples.size() + " samples");
        }
    }

    /**
     * Refuses a data set with faults as a whole.
     *
     * @param param the request's field that names the file
     */
    public Dataset sound(String param) {
        Optional<String> refusal = refusal(param);
        if (refusal.isPresent()) {
            throw ServingException.invalid(param, refusal.get());
        }
        return this;
    }

    /** What is wrong with it, in words; empty where nothing is. */
    public Optional<String> refusal(String param) {
        if (faultCount == 0) {
            return Optional.empty();
        }
        String list = faults.stream().map(Fault::text).collect(Collectors.joining("; "));
        String rest = faultCount > faults.size() ? "; and " + (faultCount - faults.size()) + " more" : "";
        return Optional.of(
                "%s: %d %s: %s%s".formatted(param, faultCount, faultCount == 1 ? "fault" : "faults", list, rest));
    }

    /** Sentences on what is odd but no fault, for a job's events. */
    public List<String> notes() {
        List<String> notes = new ArrayList<>();
        note(notes, counts.truncated(), "longer than the maximum sequence length, cut at the end");
        note(notes, counts.dropped(), "left out, as no token to learn is within the maximum sequence length");
        note(
                notes,
                counts.lastTurnOnly(),
                "learnt in the last turn only, as the template writes earlier turns differently");
        note(notes, counts.duplicates(), "the same as an earlier one; each counts");
        return notes;
    }

    private static void note(List<String> notes, long count, String what) {
        if (count > 0) {
            notes.add("%d %s: %s".formatted(count, count == 1 ? "row" : "rows", what));
        }
    }
}
