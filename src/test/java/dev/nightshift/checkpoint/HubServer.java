package dev.nightshift.checkpoint;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/**
 * A hub on loopback with one model, and a storage host on another port. Small files come from the hub itself under git's SHA-1,
 * safetensors by redirect to storage under their SHA-256, as huggingface.co does.
 */
final class HubServer implements AutoCloseable {
    static final String ID = "org/tiny";
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    final Map<String, byte[]> files = new TreeMap<>();
    /** Bodies of storage are cut after so many bytes, one entry a request. */
    final List<Integer> cuts = new CopyOnWriteArrayList<>();
    /** "METHOD path" of all requests, with the Range and the presence of a token. */
    final List<String> requests = new CopyOnWriteArrayList<>();

    final Map<String, byte[]> damaged = new ConcurrentHashMap<>();
    /** Sizes that the hub claims for files of storage, where they are not the true ones. */
    final Map<String, Long> claimed = new ConcurrentHashMap<>();

    /** So many bodies of storage fall silent half-way and stay open until the server is closed. */
    final AtomicInteger stalls = new AtomicInteger();

    volatile String requiredToken;
    volatile int refusal;
    volatile String errorCode = "";

    private final HttpServer hub = server();
    private final HttpServer storage = server();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final CountDownLatch closed = new CountDownLatch(1);

    HubServer() {
        hub.createContext("/api/models/" + ID + "/revision/", this::info);
        hub.createContext("/" + ID + "/resolve/", this::resolve);
        hub.createContext("/", exchange -> refuse(exchange, 404, "RepoNotFound"));
        storage.createContext("/", this::store);
        hub.start();
        storage.setExecutor(threads);
        storage.start();
    }

    private static HttpServer server() {
        try {
            return HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    String endpoint() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    private void note(String host, HttpExchange exchange) {
        String range = exchange.getRequestHeaders().getFirst("Range");
        String token = exchange.getRequestHeaders().getFirst("Authorization");
        requests.add("%s %s %s%s%s"
                .formatted(
                        host,
                        exchange.getRequestMethod(),
                        exchange.getRequestURI(),
                        range == null ? "" : " " + range,
                        token == null ? "" : " token"));
    }

    private boolean refused(HttpExchange exchange) throws IOException {
        String token = exchange.getRequestHeaders().getFirst("Authorization");
        if (refusal != 0 || (requiredToken != null && !("Bearer " + requiredToken).equals(token))) {
            refuse(exchange, refusal == 0 ? 401 : refusal, errorCode);
            return true;
        }
        return false;
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        exchange.getResponseHeaders().set("X-Error-Code", code);
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    private void info(HttpExchange exchange) throws IOException {
        note("hub", exchange);
        if (refused(exchange)) {
            return;
        }
        String revision = exchange.getRequestURI().getPath().replaceFirst(".*/revision/", "");
        if (!List.of("main", "v1", COMMIT).contains(revision)) {
            refuse(exchange, 404, "RevisionNotFound");
            return;
        }
        String siblings = files.keySet().stream()
                .map("{\"rfilename\": \"%s\"}"::formatted)
                .collect(Collectors.joining(","));
        byte[] body = "{\"sha\": \"%s\", \"siblings\": [%s]}"
                .formatted(COMMIT, siblings)
                .getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private void resolve(HttpExchange exchange) throws IOException {
        note("hub", exchange);
        if (refused(exchange)) {
            return;
        }
        String file = exchange.getRequestURI().getPath().replaceFirst(".*/resolve/[^/]+/", "");
        byte[] content = files.get(file);
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        if (content == null) {
            refuse(exchange, 404, "EntryNotFound");
        } else if (file.endsWith(".safetensors")) {
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + sha256(content) + "\"");
            exchange.getResponseHeaders()
                    .set("X-Linked-Size", String.valueOf(claimed.getOrDefault(file, (long) content.length)));
            exchange.getResponseHeaders()
                    .set(
                            "Location",
                            "http://127.0.0.1:%d/%s?signature=x"
                                    .formatted(storage.getAddress().getPort(), file));
            exchange.sendResponseHeaders(302, -1);
            exchange.close();
        } else {
            exchange.getResponseHeaders().set("ETag", "W/\"" + gitSha1(content) + "\"");
            send(exchange, damaged.getOrDefault(file, content), Integer.MAX_VALUE);
        }
    }

    private void store(HttpExchange exchange) throws IOException {
        note("storage", exchange);
        String file = exchange.getRequestURI().getPath().substring(1);
        if (stalls.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            stall(exchange, files.get(file));
            return;
        }
        send(
                exchange,
                damaged.getOrDefault(file, files.get(file)),
                cuts.isEmpty() ? Integer.MAX_VALUE : cuts.removeFirst());
    }

    private void stall(HttpExchange exchange, byte[] content) throws IOException {
        exchange.sendResponseHeaders(200, content.length);
        exchange.getResponseBody().write(content, 0, content.length / 2);
        exchange.getResponseBody().flush();
        try {
            closed.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void send(HttpExchange exchange, byte[] content, int cutAfter) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(content.length));
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            return;
        }
        if (range != null) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
        }
        exchange.sendResponseHeaders(range == null ? 200 : 206, content.length - from);
        OutputStream body = exchange.getResponseBody();
        body.write(content, from, Math.min(cutAfter, content.length - from));
        body.flush();
        exchange.close();
    }

    static String sha256(byte[] content) {
        return HexFormat.of().formatHex(digest("SHA-256").digest(content));
    }

    static String gitSha1(byte[] content) {
        MessageDigest digest = digest("SHA-1");
        digest.update("blob %d\0".formatted(content.length).getBytes(StandardCharsets.US_ASCII));
        return HexFormat.of().formatHex(digest.digest(content));
    }

    private static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    URI uri() {
        return URI.create(endpoint());
    }

    @Override
    public void close() {
        closed.countDown();
        hub.stop(0);
        storage.stop(0);
        threads.shutdownNow();
    }
}
