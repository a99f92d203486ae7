package dev.nightshift.tuning;

import dev.nightshift.train.data.Conversations;
import dev.nightshift.train.data.Dataset;
import dev.nightshift.train.data.DatasetOptions;
import dev.nightshift.train.data.DatasetReader;
import java.nio.file.Path;
import java.util.List;

/** Reads a job's files through the served template and tokenizer. */
public final class DatasetSamples implements SampleReader {
    private final Conversations conversations;

    public DatasetSamples(Conversations conversations) {
        this.conversations = conversations;
    }

    @Override
    public Dataset read(List<Source> sources, JobSpec spec, int sequenceMax) {
        boolean validation = JobFolders.isValidation(sources.getFirst().file());
        DatasetOptions options = new DatasetOptions(
                goal(spec.method()),
                spec.options().format(),
                spec.options().rendering(),
                spec.options().trainOnInputs(),
                sequenceMax,
                spec.seed(),
                validation ? 1 : DatasetOptions.TRAINING_ROWS_MIN);
        List<DatasetReader.Source> files = sources.stream()
                .map(source -> new DatasetReader.Source(source.file(), name(source.file(), spec), source.weight()))
                .toList();
        return DatasetReader.read(files, conversations, options);
    }

    /** The id by which the client knows a file. */
    private static String name(Path file, JobSpec spec) {
        return JobFolders.isValidation(file)
                ? spec.validationFile().orElse("")
                : spec.files().get(JobFolders.index(file)).id();
    }

    private static DatasetOptions.Goal goal(TuningMethod method) {
        return switch (method) {
            case SUPERVISED -> DatasetOptions.Goal.SUPERVISED;
            case DPO, ORPO -> DatasetOptions.Goal.PAIRS;
            case KTO -> DatasetOptions.Goal.RATED;
        };
    }
}
