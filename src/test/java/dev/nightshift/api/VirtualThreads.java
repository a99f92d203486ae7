package dev.nightshift.api;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** The server's threads that no platform thread list shows. */
public final class VirtualThreads {
    private VirtualThreads() {}

    /** Whether one of that name lives. */
    public static boolean live(String name) throws IOException {
        Path dump = Files.createTempDirectory("threads").resolve("dump.json");
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
                .dumpThreads(dump.toString(), HotSpotDiagnosticMXBean.ThreadDumpFormat.JSON);
        boolean found = Files.readString(dump).contains("\"" + name + "\"");
        Files.delete(dump);
        Files.delete(dump.getParent());
        return found;
    }
}
