package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import java.nio.file.Path;
import java.util.Optional;

/** The uploaded files as jobs see them. */
public final class StoredTrainingFiles implements TrainingFiles {
    private final FileStore files;

    public StoredTrainingFiles(FileStore files) {
        this.files = files;
    }

    @Override
    public void check(String id, String param) {
        StoredFile file;
        try {
            file = files.get(id);
        } catch (ServingException e) {
            throw e.code() == ErrorCode.NOT_FOUND
                    ? ServingException.invalid(param, "%s: no such file: %s".formatted(param, id))
                    : e;
        }
        if (file.purpose() != Purpose.FINE_TUNE) {
            throw ServingException.invalid(
                    param,
                    "%s: file %s was uploaded for %s, not for %s"
                            .formatted(param, id, file.purpose().wire(), Purpose.FINE_TUNE.wire()));
        }
    }

    @Override
    public void snapshot(String id, Path target) {
        files.snapshot(id, target);
    }

    @Override
    public String saveResult(String filename, byte[] content) {
        return files.save(new NewFile(filename, Purpose.FINE_TUNE_RESULTS, Optional.empty()), content)
                .id();
    }
}
