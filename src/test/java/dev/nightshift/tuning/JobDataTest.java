package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Segment;
import dev.nightshift.train.data.Dataset;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class JobDataTest {
    private static final Dataset.Counts COUNTS = new Dataset.Counts(0, 0, 0, 0, 0, 0, 0, 0);

    private static List<List<Segment>> rows(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> List.of(new Segment(new int[] {i, i}, new float[] {0, 1}, Segment.Role.TARGET)))
                .toList();
    }

    private static Dataset faulty(String file, int count) {
        List<Dataset.Fault> first = IntStream.range(0, Math.min(count, Dataset.FAULTS_MAX))
                .mapToObj(i -> new Dataset.Fault(file, i + 1, "wrong"))
                .toList();
        return new Dataset(List.of(), COUNTS, first, count);
    }

    /** A file of weight 2.5: every row twice, and some of them once more. */
    @Test
    void rowsHeldOutAreNeverLearntHoweverOftenTheirFileCounts() {
        List<List<Segment>> once = rows(8);
        List<List<Segment>> mixed = new ArrayList<>(once);
        mixed.addAll(once);
        mixed.addAll(once.subList(2, 6));
        JobData.Rows rows = new JobData(new Dataset(mixed, COUNTS, List.of(), 0), Optional.empty(), 0.25).rows();
        assertThat(rows.validation()).hasSize(2).doesNotHaveDuplicates();
        assertThat(rows.training()).doesNotContainAnyElementsOf(rows.validation());
        assertThat(new HashSet<>(rows.training())).hasSize(6);
        assertThat(rows.training().size()).isEqualTo((int)
                mixed.stream().filter(row -> !rows.validation().contains(row)).count());
    }

    @Test
    void aValidationFileLeavesAllTrainingRowsToLearnFrom() {
        Dataset training = new Dataset(rows(8), COUNTS, List.of(), 0);
        Dataset validation = new Dataset(rows(3), COUNTS, List.of(), 0);
        JobData.Rows rows = new JobData(training, Optional.of(validation), 0.25).rows();
        assertThat(rows.training()).hasSize(8);
        assertThat(rows.validation()).hasSize(3);
    }

    @Test
    void aJobsRefusalNamesTheFaultsOfBothFilesWithTheirTotals() {
        JobData both = new JobData(faulty("file-a", 2), Optional.of(faulty("file-b", 21)), 0);
        ServingException refusal = catchThrowableOfType(ServingException.class, both::sound);
        assertThat(refusal.param()).contains("training_file");
        assertThat(refusal.getMessage())
                .startsWith("training_file: 2 faults: line 1 of 'file-a': wrong; line 2 of 'file-a': wrong; "
                        + "validation_file: 21 faults: line 1 of 'file-b': wrong; ")
                .endsWith("line 20 of 'file-b': wrong; and 1 more");
        JobData second = new JobData(new Dataset(rows(8), COUNTS, List.of(), 0), Optional.of(faulty("file-b", 1)), 0);
        ServingException alone = catchThrowableOfType(ServingException.class, second::sound);
        assertThat(alone.param()).contains("validation_file");
        assertThat(alone.getMessage()).isEqualTo("validation_file: 1 fault: line 1 of 'file-b': wrong");
    }

    @Test
    void aDryRunTellsTwentyFaultsOfAllFilesTogetherAndCountsAll() throws InterruptedException {
        JobData content = new JobData(faulty("file-a", 15), Optional.of(faulty("file-b", 30)), 0);
        JobForecast forecast = new JobForecaster(null, null, null, null, null)
                .forecast(new JobForecaster.Inspection(null, null, null, content));
        assertThat(forecast.faultCount()).isEqualTo(45);
        assertThat(forecast.faults()).hasSize(20);
        assertThat(forecast.faults().get(14)).isEqualTo(new JobForecast.Fault("file-a", 15, "wrong"));
        assertThat(forecast.faults().get(15)).isEqualTo(new JobForecast.Fault("file-b", 1, "wrong"));
        assertThat(forecast.outlook()).isEmpty();
    }
}
