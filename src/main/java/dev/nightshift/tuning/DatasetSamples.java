package dev.nightshift.tuning;

import dev.nightshift.train.data.Conversations;
import dev.nightshift.train.data.Dataset;
import dev.nightshift.train.data.DatasetFormat;
import dev.nightshift.train.data.DatasetOptions;
import dev.nightshift.train.data.DatasetReader;
import java.util.ArrayList;
import java.util.List;

/** Files through the template and the tokenizer that serve. */
public final class DatasetSamples implements SampleReader {
    private final Conversations conversations;

    public DatasetSamples(Conversations conversations) {
        this.conversations = conversations;
    }

    @Override
    public Samples read(List<Source> sources, JobSpec spec, int sequenceMax) {
        Dataset dataset = dataset(sources, spec, sequenceMax).sound("training_file");
        return new Samples(dataset.samples().stream().map(Sample::new).toList(), dataset.notes());
    }

    /** With its faults and counts, for a dry run. */
    Dataset dataset(List<Source> sources, JobSpec spec, int sequenceMax) {
        List<DatasetReader.Source> files = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            String name = sources.size() == 1 ? "" : spec.files().get(i).id();
            files.add(new DatasetReader.Source(sources.get(i).file(), name, sources.get(i).weight()));
        }
        DatasetOptions options = new DatasetOptions(
                goal(spec.method()),
                spec.options().format().map(DatasetFormat::of),
                DatasetOptions.Rendering.AUTO,
                spec.options().trainOnInputs(),
                sequenceMax,
                spec.seed(),
                1);
        return DatasetReader.read(files, conversations, options);
    }

    private static DatasetOptions.Goal goal(TuningMethod method) {
        return switch (method) {
            case SUPERVISED -> DatasetOptions.Goal.SUPERVISED;
            case DPO, ORPO -> DatasetOptions.Goal.PAIRS;
            case KTO -> DatasetOptions.Goal.RATED;
        };
    }
}
