package dev.nightshift.load;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** The load generator: {@code make loadtest LOAD="--rate 4 --requests 100"}. Not a test of the suite. */
public final class LoadGenerator {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Ids drawn for prompts: any tokenizer we serve has these, and they are ordinary tokens in all of them. */
    private static final int FIRST_ID = 500;

    private static final int IDS = 3000;

    private LoadGenerator() {}

    /** Runs one load and prints its figures. */
    public static void main(String[] arguments) throws Exception {
        LoadOptions options = LoadOptions.parse(arguments);
        long[] start = new long[1];
        LoadReport report = new LoadReport(options, run(options, start));
        String json = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(report.figures(start[0]));
        System.out.println(json);
        if (options.json().isPresent()) {
            Files.writeString(options.json().get(), json + "\n");
        }
    }

    /** Sends every request when it is due and returns what became of each, in order. */
    static List<StreamedCall.Outcome> run(LoadOptions options, long[] startNanos)
            throws IOException, InterruptedException, ExecutionException {
        Random random = new Random(options.seed());
        long[] due = Arrivals.schedule(options.requests(), options.rate(), options.burstiness(), random);
        Semaphore places = new Semaphore(options.concurrency());
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1));
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            HttpClient client = vertx.createHttpClient(new PoolOptions().setHttp1MaxSize(options.concurrency()));
            List<String> models =
                    options.models().isEmpty() ? List.of(firstModel(client, options.url())) : options.models();
            StreamedCall call = new StreamedCall(client, options.url());
            int[] prefix = ids(options.sharedPrefix(), random);
            List<Future<StreamedCall.Outcome>> running = new ArrayList<>();
            long start = System.nanoTime();
            startNanos[0] = start;
            for (int i = 0; i < options.requests(); i++) {
                int[] prompt = ids(options.promptTokens(), random);
                System.arraycopy(prefix, 0, prompt, 0, Math.min(prefix.length, prompt.length));
                String model = models.get(Arrivals.zipf(models.size(), options.zipf(), random));
                boolean hangsUp = random.nextDouble() < options.cancelled();
                int chunksMax = hangsUp ? Math.max(1, options.outputTokens() / 3) : Integer.MAX_VALUE;
                long dueNanos = start + due[i];
                TimeUnit.NANOSECONDS.sleep(dueNanos - System.nanoTime());
                running.add(threads.submit(() -> {
                    places.acquire();
                    try {
                        // where everything is due at once, a request counts from its place
                        long from = Double.isInfinite(options.rate()) ? System.nanoTime() : dueNanos;
                        return call.run(model, prompt, options.outputTokens(), from, chunksMax);
                    } finally {
                        places.release();
                    }
                }));
            }
            List<StreamedCall.Outcome> outcomes = new ArrayList<>();
            for (Future<StreamedCall.Outcome> each : running) {
                outcomes.add(each.get());
            }
            return outcomes;
        } finally {
            vertx.close();
        }
    }

    private static int[] ids(int count, Random random) {
        return random.ints(count, FIRST_ID, FIRST_ID + IDS).toArray();
    }

    private static String firstModel(HttpClient client, URI url)
            throws IOException, InterruptedException, ExecutionException {
        String models = url.resolve("/v1/models").toString();
        String body = client.request(
                        new RequestOptions().setMethod(HttpMethod.GET).setAbsoluteURI(models))
                .compose(HttpClientRequest::send)
                .compose(HttpClientResponse::body)
                .toCompletionStage()
                .toCompletableFuture()
                .get()
                .toString();
        return JSON.readTree(body).path("data").path(0).path("id").asText();
    }
}
