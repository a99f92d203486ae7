package dev.nightshift.train.data;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.jsonl.JsonLines;
import dev.nightshift.jsonl.JsonlFault;
import dev.nightshift.train.Segment;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/** Reads the files of one data set. One use, one thread. */
public final class DatasetReader {
    private final DatasetOptions options;
    private final ChatMask chatMask;
    private final TextMask textMask;
    private final List<List<Segment>> samples = new ArrayList<>();
    private final List<Dataset.Fault> faults = new ArrayList<>();
    private long faultCount;
    private long rows;
    private long tokens;
    private long targetTokens;
    private int longest;
    private long truncated;
    private long dropped;
    private long lastTurnOnly;
    private long duplicates;
    private final Set<List<Object>> seen = new HashSet<>();

    /**
     * A file.
     *
     * @param name as the client knows it
     * @param weight how often its rows come in an epoch; of a fraction, that share of the rows is drawn
     */
    public record Source(Path file, String name, double weight) {}

    private DatasetReader(Conversations conversations, DatasetOptions options) {
        this.options = options;
        this.chatMask = new ChatMask(conversations);
        this.textMask = new TextMask(conversations);
    }

    /**
     * Reads all files to their ends, whatever faults they have.
     *
     * @throws ServingException INTERNAL where a file can't be read
     */
    public static Dataset read(List<Source> sources, Conversations conversations, DatasetOptions options) {
        DatasetReader reader = new DatasetReader(conversations, options);
        for (int i = 0; i < sources.size(); i++) {
            reader.read(sources.get(i), i);
        }
        return reader.dataset();
    }

    private Dataset dataset() {
        if (faultCount == 0 && samples.size() < Math.max(1, options.rowsMin())) {
            fault(
                    "",
                    0,
                    "%d usable rows, at least %d are needed".formatted(samples.size(), Math.max(1, options.rowsMin())));
        }
        Dataset.Counts counts =
                new Dataset.Counts(rows, tokens, targetTokens, longest, truncated, dropped, lastTurnOnly, duplicates);
        return new Dataset(faultCount > 0 ? List.of() : samples, counts, faults, faultCount);
    }

    private void fault(String file, long line, String message) {
        faultCount++;
        if (faults.size() < Dataset.FAULTS_MAX) {
            faults.add(new Dataset.Fault(file, line, message));
        }
    }

    private void read(Source source, int index) {
        List<List<Segment>> own = new ArrayList<>();
        RowReader reader = null;
        try (JsonLines lines = JsonLines.open(source.file())) {
            boolean more = true;
            while (more) {
                long line = 0;
                try {
                    Optional<JsonLines.Row> next = lines.next();
                    more = next.isPresent();
                    if (more) {
                        JsonLines.Row row = next.get();
                        line = row.line();
                        rows++;
                        reader = reader == null ? reader(row) : reader;
                        own.addAll(samples(reader.read(row.value())));
                    }
                } catch (RowFault e) {
                    fault(source.name(), line, e.getMessage());
                } catch (JsonlFault e) {
                    rows++;
                    fault(source.name(), e.line(), e.getMessage());
                }
            }
        } catch (IOException e) {
            throw new ServingException(ErrorCode.INTERNAL, "the file '" + source.name() + "' can't be read: " + e, e);
        }
        mix(own, source.weight(), index);
    }

    private RowReader reader(JsonLines.Row first) throws RowFault {
        DatasetFormat format = options.format().isPresent()
                ? options.format().get()
                : DatasetFormat.recognise(first.value(), options.goal()).orElseThrow(() -> unknown(first));
        if (!format.serves(options.goal())) {
            throw new RowFault("rows of format %s do not serve %s".formatted(format.wire(), goal()));
        }
        return new RowReader(format, options);
    }

    private RowFault unknown(JsonLines.Row first) {
        List<DatasetFormat> fitting = DatasetFormat.fitting(first.value());
        if (!fitting.isEmpty()) {
            return new RowFault("rows of format %s do not serve %s"
                    .formatted(fitting.getFirst().wire(), goal()));
        }
        List<String> keys = new ArrayList<>();
        first.value().fieldNames().forEachRemaining(keys::add);
        return new RowFault("no known format has the keys " + keys);
    }

    private String goal() {
        return switch (options.goal()) {
            case SUPERVISED -> "supervised tuning";
            case PAIRS -> "tuning by preference";
            case RATED -> "KTO";
        };
    }

    /** What a row becomes: nothing if it is dropped; of a pair that is to be rated, each answer by itself. */
    private List<List<Segment>> samples(List<Example.Labelled> examples) throws RowFault {
        List<Segment> segments = new ArrayList<>();
        boolean cut = false;
        boolean lastOnly = false;
        List<Object> content = new ArrayList<>();
        for (Example.Labelled labelled : examples) {
            Masked masked = mask(labelled.example());
            content.add(Arrays.hashCode(masked.ids()));
            content.add(masked.ids().length);
            content.add(labelled.role());
            cut |= masked.ids().length > options.sequenceMax();
            lastOnly |= masked.lastTurnOnly();
            int length = Math.min(masked.ids().length, options.sequenceMax());
            if (length >= 2) {
                Segment segment = new Segment(
                        Arrays.copyOf(masked.ids(), length), Arrays.copyOf(masked.weights(), length), labelled.role());
                if (segment.targetWeight() > 0) {
                    segments.add(segment);
                }
            }
        }
        duplicates += seen.add(content) ? 0 : 1;
        truncated += cut ? 1 : 0;
        lastTurnOnly += lastOnly ? 1 : 0;
        if (segments.size() < examples.size()) {
            dropped++;
            return List.of();
        }
        count(segments);
        return options.goal() == DatasetOptions.Goal.RATED
                ? segments.stream().map(List::of).toList()
                : List.of(List.copyOf(segments));
    }

    private void count(List<Segment> segments) {
        for (Segment segment : segments) {
            tokens += segment.ids().length;
            longest = Math.max(longest, segment.ids().length);
            for (int i = 1; i < segment.weights().length; i++) {
                targetTokens += segment.weights()[i] != 0 ? 1 : 0;
            }
        }
    }

    private Masked mask(Example example) throws RowFault {
        return switch (example) {
            case Example.Dialogue dialogue -> chatMask.of(dialogue, options.trainOnInputs());
            case Example.Completion completion -> textMask.of(completion, options.trainOnInputs());
            case Example.Plain plain -> textMask.of(plain, options.trainOnInputs());
        };
    }

    /** Adds a file's samples as often as its weight says. */
    private void mix(List<List<Segment>> own, double weight, int index) {
        for (int copy = 0; copy < (int) weight; copy++) {
            samples.addAll(own);
        }
        int drawn = (int) Math.round((weight - Math.floor(weight)) * own.size());
        if (drawn > 0) {
            int[] order = RowOrder.shuffled(own.size(), new SplittableRandom(options.seed() * 31 + index));
            Arrays.stream(order, 0, drawn).sorted().forEach(row -> samples.add(own.get(row)));
        }
    }
}
