package dev.nightshift.train.data;

/** A row that breaks its format's rules. */
final class RowFault extends Exception {
    RowFault(String message) {
        super(message, null, false, false);
    }
}
