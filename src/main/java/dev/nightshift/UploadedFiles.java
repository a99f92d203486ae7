package dev.nightshift;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import dev.nightshift.tuning.TrainingFiles;
import java.nio.file.Path;
import java.util.Optional;

/** The files API's files for tuning jobs. */
record UploadedFiles(FileStore files) implements TrainingFiles {

    @Override
    public void check(String id, String param) {
        StoredFile file;
        try {
            file = files.get(id);
        } catch (ServingException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                throw ServingException.invalid(param, param + ": no such file: " + id);
            }
            throw e;
        }
        if (file.purpose() != Purpose.FINE_TUNE) {
            throw ServingException.invalid(
                    param,
                    "%s: file %s has purpose %s; fine-tune is needed"
                            .formatted(param, id, file.purpose().wire()));
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
