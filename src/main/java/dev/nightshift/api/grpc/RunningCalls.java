package dev.nightshift.api.grpc;

/** Told of calls that are being answered, so that a server about to stop can wait for them. Thread-safe. */
public interface RunningCalls {
    /** A call has come. */
    void begin();

    /** It has its status. */
    void end();
}
