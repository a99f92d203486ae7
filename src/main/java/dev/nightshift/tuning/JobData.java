package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Segment;
import dev.nightshift.train.data.Dataset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a job's files hold.
 *
 * @param validation the validation file's, if the job has one
 * @param heldOut share of the training rows that is measured with where there is none
 */
record JobData(Dataset training, Optional<Dataset> validation, double heldOut) {
    /** Rows to learn from, and rows to measure with. */
    record Rows(List<List<Segment>> training, List<List<Segment>> validation) {}

    /** @param folder of the job */
    static JobData read(SampleReader reader, JobSpec spec, Path folder, int sequenceMax) {
        List<SampleReader.Source> sources = new ArrayList<>();
        for (int i = 0; i < spec.files().size(); i++) {
            sources.add(new SampleReader.Source(
                    JobFolders.trainingFile(folder, i), spec.files().get(i).weight()));
        }
        Dataset training = reader.read(sources, spec, sequenceMax);
        Path file = JobFolders.validationFile(folder);
        Optional<Dataset> validation = Files.exists(file)
                ? Optional.of(reader.read(List.of(new SampleReader.Source(file, 1)), spec, sequenceMax))
                : Optional.empty();
        return new JobData(training, validation, spec.options().heldOut());
    }

    /** Refuses it as a whole where a row has a fault; names the faults of both, and the first of the two as the field. */
    JobData sound() throws ServingException {
        Map<String, String> refusals = new LinkedHashMap<>();
        training.refusal("training_file").ifPresent(text -> refusals.put("training_file", text));
        validation
                .flatMap(dataset -> dataset.refusal("validation_file"))
                .ifPresent(text -> refusals.put("validation_file", text));
        if (!refusals.isEmpty()) {
            throw ServingException.invalid(refusals.keySet().iterator().next(), String.join("; ", refusals.values()));
        }
        return this;
    }

    boolean isSound() {
        return training.faultCount() == 0
                && validation.map(dataset -> dataset.faultCount() == 0).orElse(true);
    }

    /** Sentences on what is odd but no fault. */
    List<String> notes() {
        List<String> notes = new ArrayList<>(training.notes());
        validation.ifPresent(dataset -> dataset.notes().forEach(note -> notes.add("validation file: " + note)));
        return notes;
    }

    /**
     * Validation rows come from their file, else every so many of the training rows is held out; all copies of a row that its
     * file's weight repeats.
     */
    Rows rows() {
        if (validation.isPresent() || heldOut == 0) {
            return new Rows(training.samples(), validation.map(Dataset::samples).orElse(List.of()));
        }
        Set<List<Segment>> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        Set<List<Segment>> out = Collections.newSetFromMap(new IdentityHashMap<>());
        List<List<Segment>> held = new ArrayList<>();
        for (List<Segment> row : training.samples()) {
            int i = seen.size();
            if (seen.add(row) && Math.floor((i + 1) * heldOut) > Math.floor(i * heldOut)) {
                out.add(row);
                held.add(row);
            }
        }
        return new Rows(
                training.samples().stream().filter(row -> !out.contains(row)).toList(), held);
    }
}
