package dev.nightshift.api.http;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.util.OptionalLong;

/**
 * Content on its way to a client's disk.
 *
 * @param disposition the header that names the file
 * @param bytes of the body, where they are known before
 */
record Download(String type, String disposition, OptionalLong bytes, Body body) implements Closeable {

    /** Open until it is closed, whether it was written or not. */
    interface Body extends Closeable {
        /** Once; the stream stays open. */
        void writeTo(OutputStream out) throws IOException;
    }

    @Override
    public void close() throws IOException {
        body.close();
    }
}
