package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import java.nio.file.Path;

/** The uploaded files, as jobs see them. */
public interface TrainingFiles {
    /**
     * Refuses a file that is unknown or was not uploaded for fine-tuning.
     *
     * @param param the request's field that names it
     * @throws ServingException INVALID_REQUEST
     */
    void check(String id, String param);

    /** Keeps a file's content for a job, whatever becomes of the file. */
    void snapshot(String id, Path target);

    /** Stores a job's results; the new file's id. */
    String saveResult(String filename, byte[] content);
}
