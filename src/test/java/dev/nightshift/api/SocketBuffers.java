package dev.nightshift.api;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the kernel holds for a connection; bounds of back-pressure tests are counted from it. */
public final class SocketBuffers {
    /** Of a kernel that does not say: Linux's default for the largest send buffer of a connection is 4 MiB. */
    private static final long DEFAULT = 4L << 20;

    private SocketBuffers() {}

    /** Bytes that a connection's send buffer may grow to. */
    public static long sendMax() throws IOException {
        Path limits = Path.of("/proc/sys/net/ipv4/tcp_wmem");
        if (!Files.exists(limits)) {
            return DEFAULT;
        }
        // such a file gives its text to one read only
        byte[] text = new byte[256];
        try (InputStream in = Files.newInputStream(limits)) {
            int length = in.read(text);
            return Long.parseLong(new String(text, 0, length, StandardCharsets.US_ASCII)
                    .trim()
                    .split("\\s+")[2]);
        }
    }
}
