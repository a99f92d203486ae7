package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The hub's HTTP interface. Redirects are followed by hand: the token goes to the hub's own origin alone, never to the storage
 * host that a redirect names.
 */
final class HubClient implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);
    private static final int REDIRECTS_MAX = 5;

    private final HubSettings settings;
    private final String id;
    private final HttpClient http = HttpClient.newBuilder()
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();

    HubClient(HubSettings settings, String id) {
        this.settings = settings;
        this.id = id;
    }

    /** What a revision consists of. */
    record Revision(String commit, List<String> files) {}

    /**
     * A file at a commit.
     *
     * @param etag name of its content: SHA-256 of a large file, git's SHA-1 of a small one
     * @param bytes its size, or -1 if the server doesn't say
     */
    record Entry(String etag, long bytes) {}

    Revision revision(String revision) throws IOException {
        URI uri = URI.create("%s/api/models/%s/revision/%s".formatted(settings.endpoint(), id, encode(revision)));
        HttpResponse<byte[]> response = send(request(uri).GET().build(), BodyHandlers.ofByteArray(), true);
        refuseErrors(response, "revision " + revision);
        JsonNode body = Json.object("the hub's answer about " + id, response.body());
        String commit = body.path("sha").asText();
        if (!HubCache.isCommit(commit)) {
            throw new ServingException(
                    ErrorCode.UNAVAILABLE,
                    "%s names no commit for %s: '%s'".formatted(settings.endpoint(), id, commit));
        }
        List<String> files = new ArrayList<>();
        body.path("siblings")
                .forEach(sibling -> files.add(sibling.path("rfilename").asText()));
        return new Revision(commit, files);
    }

    /** Asks for a file's name and size; the redirect to the storage host is not followed, its headers say both. */
    Entry entry(String commit, String file) throws IOException {
        HttpRequest head = request(resolve(commit, file))
                .method("HEAD", HttpRequest.BodyPublishers.noBody())
                .build();
        HttpResponse<Void> response = send(head, BodyHandlers.discarding(), false);
        refuseErrors(response, file);
        Optional<String> etag = header(response, "X-Linked-Etag").or(() -> header(response, "ETag"));
        String name = etag.map(text -> text.replaceFirst("^W/", "").replace("\"", ""))
                .filter(text -> text.matches("[\\w.-]{1,200}"))
                .orElseThrow(() -> new ServingException(
                        ErrorCode.UNAVAILABLE,
                        "%s gives no ETag for %s of %s".formatted(settings.endpoint(), file, id)));
        Optional<String> size = header(response, "X-Linked-Size");
        if (size.isEmpty() && response.statusCode() < 300) {
            size = header(response, "Content-Length");
        }
        return new Entry(name, size.map(Long::parseLong).orElse(-1L));
    }

    /** The file's content from a byte on; status 200 means that the server starts at the beginning, 206 that it doesn't. */
    HttpResponse<InputStream> content(String commit, String file, long from) throws IOException {
        HttpRequest.Builder get = request(resolve(commit, file)).GET();
        if (from > 0) {
            get.header("Range", "bytes=%d-".formatted(from));
        }
        HttpResponse<InputStream> response = send(get.build(), BodyHandlers.ofInputStream(), true);
        if (response.statusCode() != 416) {
            refuseErrors(response, file);
        }
        return response;
    }

    private URI resolve(String commit, String file) {
        return URI.create("%s/%s/resolve/%s/%s"
                .formatted(settings.endpoint(), id, commit, encode(file).replace("%2F", "/")));
    }

    private HttpRequest.Builder request(URI uri) {
        return HttpRequest.newBuilder(uri)
                .timeout(ANSWER_TIMEOUT)
                .header("User-Agent", "nightshift")
                .header("Accept-Encoding", "identity");
    }

    /** @param toOtherHosts whether a redirect away from the hub is followed */
    private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler, boolean toOtherHosts)
            throws IOException {
        URI uri = request.uri();
        for (int redirects = 0; ; redirects++) {
            HttpRequest.Builder next =
                    HttpRequest.newBuilder(request, (name, value) -> true).uri(uri);
            if (isHub(uri)) {
                settings.token().ifPresent(token -> next.setHeader("Authorization", "Bearer " + token));
            }
            HttpResponse<T> response = sendOnce(next.build(), handler);
            Optional<String> location = header(response, "Location");
            if (response.statusCode() / 100 != 3 || location.isEmpty()) {
                return response;
            }
            URI target = uri.resolve(location.get());
            if (!toOtherHosts && !isHub(target)) {
                return response;
            }
            if (header(response, "X-Linked-Etag").isPresent() && !toOtherHosts) {
                return response;
            }
            if (redirects == REDIRECTS_MAX) {
                throw new IOException("more than %d redirects from %s".formatted(REDIRECTS_MAX, request.uri()));
            }
            if ("https".equals(uri.getScheme()) && !"https".equals(target.getScheme())) {
                throw new IOException("redirect from https to %s".formatted(target.getScheme()));
            }
            if (response.body() instanceof InputStream body) {
                body.close();
            }
            uri = target;
        }
    }

    private <T> HttpResponse<T> sendOnce(HttpRequest request, HttpResponse.BodyHandler<T> handler) throws IOException {
        try {
            return http.send(request, handler);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ServingException(ErrorCode.CANCELLED, "download of %s was interrupted".formatted(id), e);
        }
    }

    private boolean isHub(URI uri) {
        URI hub = settings.endpoint();
        return hub.getScheme().equals(uri.getScheme())
                && hub.getHost().equals(uri.getHost())
                && hub.getPort() == uri.getPort();
    }

    /** Answers that trying again won't change become operating errors; those that may pass become I/O errors. */
    private void refuseErrors(HttpResponse<?> response, String what) throws IOException {
        int status = response.statusCode();
        if (status < 400) {
            return;
        }
        String error = header(response, "X-Error-Code").orElse("");
        boolean hasToken = settings.token().isPresent();
        if (error.equals("GatedRepo") || status == 403) {
            throw new ServingException(
                    ErrorCode.PERMISSION_DENIED,
                    "%s is gated: accept its terms at %s/%s and give a token that may read it in HF_TOKEN%s"
                            .formatted(id, settings.endpoint(), id, hasToken ? " (the one given may not)" : ""));
        }
        if (status == 401) {
            throw new ServingException(
                    ErrorCode.PERMISSION_DENIED,
                    hasToken
                            ? "%s does not accept the token for %s (HF_TOKEN, or the token file)"
                                    .formatted(settings.endpoint(), id)
                            : "%s does not exist at %s, or needs a token in HF_TOKEN"
                                    .formatted(id, settings.endpoint()));
        }
        if (status == 404) {
            String missing = error.equals("RepoNotFound") ? "" : " %s of".formatted(what);
            throw new ServingException(
                    ErrorCode.NOT_FOUND,
                    "%s has no%s %s".formatted(settings.endpoint(), missing.isEmpty() ? " model" : missing, id));
        }
        if (status < 500 && status != 408 && status != 429) {
            throw new ServingException(
                    ErrorCode.UNAVAILABLE,
                    "%s answers %d for %s of %s".formatted(settings.endpoint(), status, what, id));
        }
        throw new IOException("%s answers %d for %s of %s".formatted(settings.endpoint(), status, what, id));
    }

    private static Optional<String> header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
