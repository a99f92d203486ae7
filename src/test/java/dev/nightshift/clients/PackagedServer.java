package dev.nightshift.clients;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The server as {@code make serve} starts it, in a process of its own, on a free port. */
public final class PackagedServer implements AutoCloseable {
    static final Path JAR = Path.of("target/quarkus-app/quarkus-run.jar");
    private static final Path AOT = JAR.resolveSibling("app.aot");
    /** Seconds on a quiet machine; a busy one compiles for long. */
    private static final Duration START_MAX = Duration.ofMinutes(6);

    private static final Pattern LISTENING = Pattern.compile("Listening on: (http://[0-9.]+:[0-9]+)");

    private final Process process;
    private final Queue<String> log = new ConcurrentLinkedQueue<>();
    private final CompletableFuture<URI> listening = new CompletableFuture<>();
    private final HttpClient client = HttpClient.newHttpClient();
    private final URI url;
    private final Duration startTime;

    private PackagedServer(Map<String, String> environment) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("@deploy/jvm.options", "-XX:AOTCache=" + AOT, "-Xlog:aot=off", "-jar", JAR.toString()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("QUARKUS_HTTP_PORT", "0");
        builder.environment().putAll(environment);
        long from = System.nanoTime();
        process = builder.start();
        Thread.ofVirtual().start(this::readLog);
        try {
            url = listening.get(START_MAX.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            process.destroyForcibly();
            throw new IllegalStateException("the server did not start:\n" + logText(), e);
        }
        awaitReady(from);
        startTime = Duration.ofNanos(System.nanoTime() - from);
    }

    /** Starts it and waits until it is ready. */
    public static PackagedServer start(Map<String, String> environment) throws IOException, InterruptedException {
        return new PackagedServer(environment);
    }

    /** Whether `make package` has run. */
    public static boolean isBuilt() {
        return Files.exists(JAR);
    }

    private void readLog() {
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                log.add(line);
                Matcher matcher = LISTENING.matcher(line);
                if (matcher.find()) {
                    listening.complete(URI.create(matcher.group(1)));
                }
            }
        } catch (IOException e) {
            log.add("log unreadable: " + e);
        }
        listening.completeExceptionally(new IllegalStateException("it ended"));
    }

    private void awaitReady(long from) throws InterruptedException, IOException {
        while (status("/health/ready") != 200) {
            if (System.nanoTime() - from > START_MAX.toNanos()) {
                process.destroyForcibly();
                throw new IllegalStateException("not ready after " + START_MAX + ":\n" + logText());
            }
            Thread.sleep(20);
        }
    }

    int status(String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(url.resolve(path)).build();
        return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    /** Where it listens. */
    public URI url() {
        return url;
    }

    /** From the start of the process to the first 200 of its readiness check. */
    public Duration startTime() {
        return startTime;
    }

    String logText() {
        return String.join("\n", log);
    }

    /** The budget that it printed, and its largest resident set where the system tells. */
    String memoryText() throws IOException {
        String budget = log.stream()
                .filter(line -> line.contains("Memory: budget"))
                .map(line -> line.substring(line.indexOf("Memory: budget")))
                .findFirst()
                .orElse("");
        Path status = Path.of("/proc", Long.toString(process.pid()), "status");
        if (!Files.exists(status)) {
            return budget;
        }
        try (Stream<String> lines = Files.lines(status)) {
            return budget + "; resident set at most "
                    + lines.filter(line -> line.startsWith("VmHWM:"))
                            .map(line -> line.substring("VmHWM:".length()).strip())
                            .findFirst()
                            .orElse("unknown");
        }
    }

    /** SIGTERM; returns at once. */
    void terminate() {
        process.destroy();
    }

    int awaitExit(Duration max) throws InterruptedException {
        if (!process.waitFor(max.toMillis(), TimeUnit.MILLISECONDS)) {
            throw new IllegalStateException("still running " + max + " after SIGTERM:\n" + logText());
        }
        return process.exitValue();
    }

    @Override
    public void close() {
        client.close();
        process.destroy();
        try {
            if (!process.waitFor(40, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
