package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Segment;
import dev.nightshift.train.StageRows;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class StepSequenceTest {
    private static final int ROWS = 40;
    private static final int BATCH = 4;

    /** Row i has 2 + i tokens, the first of them is i. */
    private static List<List<Segment>> rows() {
        List<List<Segment>> rows = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            int[] ids = new int[2 + i];
            ids[0] = i;
            float[] weights = new float[ids.length];
            weights[1] = 1;
            rows.add(List.of(new Segment(ids, weights, Segment.Role.TARGET)));
        }
        return rows;
    }

    private static StepSequence sequence(boolean grouped, boolean packing) {
        Map<String, Object> body = new HashMap<>(Map.of(
                "model",
                "llama",
                "training_file",
                "file",
                "seed",
                5,
                "hyperparameters",
                Map.of("n_epochs", 2, "batch_size", BATCH),
                "nightshift",
                Map.of("group_by_length", grouped, "packing", packing)));
        JobSpec spec = JobSpecReader.read(body, 0);
        JobPlan plan = JobPlan.of(spec, new JobPlan.Fit(64, 64, 0, 0, 0, new StageRows(128, 32)), ROWS, 1_000_000);
        return new StepSequence(rows(), plan, spec);
    }

    private static List<Integer> lengths(List<MicroBatch> batches) {
        return batches.stream()
                .flatMap(batch -> batch.segments().stream())
                .map(segment -> segment.ids().length)
                .toList();
    }

    @Test
    void anEpochTakesEveryRowOnce() {
        for (boolean grouped : new boolean[] {false, true}) {
            StepSequence sequence = sequence(grouped, true);
            Set<Integer> seen = new HashSet<>();
            for (int step = 0; step < ROWS / BATCH; step++) {
                lengths(sequence.batches(step)).forEach(seen::add);
            }
            assertThat(seen).hasSize(ROWS);
        }
    }

    @Test
    void groupsByLengthOnlyWhenAsked() {
        int grouped = 0;
        int random = 0;
        for (int step = 0; step < ROWS / BATCH; step++) {
            grouped += spread(lengths(sequence(true, true).batches(step)));
            random += spread(lengths(sequence(false, true).batches(step)));
        }
        assertThat(grouped).isEqualTo(ROWS / BATCH * (BATCH - 1));
        assertThat(random).isGreaterThan(4 * grouped);
    }

    private static int spread(List<Integer> lengths) {
        return lengths.stream().max(Integer::compare).orElseThrow()
                - lengths.stream().min(Integer::compare).orElseThrow();
    }

    @Test
    void aStepIsTheSameWheneverItIsRun() {
        StepSequence forward = sequence(false, true);
        List<List<Integer>> first = new ArrayList<>();
        for (int step = 0; step < 2 * ROWS / BATCH; step++) {
            first.add(lengths(forward.batches(step)));
        }
        StepSequence backward = sequence(false, true);
        for (int step = 2 * ROWS / BATCH - 1; step >= 0; step--) {
            assertThat(lengths(backward.batches(step))).isEqualTo(first.get(step));
        }
        assertThat(first.subList(0, ROWS / BATCH)).isNotEqualTo(first.subList(ROWS / BATCH, 2 * ROWS / BATCH));
    }

    @Test
    void withoutPackingEachRowHasAMicroBatchOfItsOwn() {
        assertThat(sequence(false, false).batches(0)).hasSize(BATCH);
        assertThat(sequence(true, true).batches(0).size()).isLessThanOrEqualTo(BATCH);
    }
}
