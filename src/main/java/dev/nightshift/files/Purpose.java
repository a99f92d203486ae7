package dev.nightshift.files;

import dev.nightshift.failure.ServingException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** What a file is for. */
public enum Purpose {
    ASSISTANTS("assistants", true),
    BATCH("batch", true),
    FINE_TUNE("fine-tune", true),
    VISION("vision", true),
    USER_DATA("user_data", true),
    EVALS("evals", true),
    /** Written by the server: a job's figures. */
    FINE_TUNE_RESULTS("fine-tune-results", false);

    private final String wire;
    private final boolean uploaded;

    Purpose(String wire, boolean uploaded) {
        this.wire = wire;
        this.uploaded = uploaded;
    }

    /** As the API spells it. */
    public String wire() {
        return wire;
    }

    /** Any purpose that a file may have. */
    public static Purpose of(String wire) {
        return find(wire, Arrays.asList(values()));
    }

    /** The purpose of an upload; a 400 for what only the server writes. */
    public static Purpose ofUpload(String wire) {
        return find(wire, Arrays.stream(values()).filter(each -> each.uploaded).toList());
    }

    private static Purpose find(String wire, List<Purpose> among) {
        return among.stream()
                .filter(each -> each.wire.equals(wire))
                .findFirst()
                .orElseThrow(() -> ServingException.invalid(
                        "purpose",
                        "purpose: '" + wire + "' is none of "
                                + among.stream().map(Purpose::wire).collect(Collectors.joining(", "))));
    }
}
