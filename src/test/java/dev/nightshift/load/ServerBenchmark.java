package dev.nightshift.load;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.clients.PackagedServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The packaged server from end to end, over HTTP, beside llama.cpp on the same threads: {@code make bench BENCH=server}. Rates are
 * the best of several rounds, as the peer's are, after half a minute of rounds that are thrown away, as the JVM's compiler takes
 * up to a sixth of a core in them. All rounds are in the figures.
 *
 * <p>Prefill: time to the first token of a prompt of 512 tokens never seen before. Decode: one stream, time per output token.
 * Eight streams: their tokens from the last one's first to the first one's last, and beside it all tokens over the whole time,
 * in which their short prompts are read too.
 */
public final class ServerBenchmark {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int PROMPT = 512;
    private static final int DECODED = 128;
    private static final int STREAMS = 8;
    private static final int WARM_UP = 6;
    private static final int ROUNDS = 12;

    private final URI url;

    private ServerBenchmark(URI url) {
        this.url = url;
    }

    /** Arguments: model folder, threads, Python with llama_cpp (may be missing), file for the figures. */
    public static void main(String[] arguments) throws Exception {
        String model = arguments[0];
        String threads = arguments[1];
        ObjectNode figures = JSON.createObjectNode();
        figures.put("time", Instant.now().toString()).put("model", model).put("threads", Integer.parseInt(threads));
        Map<String, String> environment = Map.of("NIGHTSHIFT_MODEL", model, "NIGHTSHIFT_CPU_THREADS", threads);
        try (PackagedServer server = PackagedServer.start(environment)) {
            figures.put("start_seconds", server.startTime().toMillis() / 1000.0);
            new ServerBenchmark(server.url()).measure(figures);
        }
        int cores = Integer.parseInt(threads);
        figures.put("machine_read_gb_per_second", round(MachineProbe.readBytesPerSecond(cores) / 1e9));
        figures.put("machine_gflops", round(MachineProbe.flopsPerSecond(cores) / 1e9));
        Optional<JsonNode> peer = peer(Path.of(arguments[2]), threads);
        peer.ifPresent(theirs -> compare(figures, theirs));
        String text = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(figures);
        System.out.println(text);
        Files.writeString(Path.of(arguments[3]), text + "\n");
    }

    private void measure(ObjectNode figures) throws Exception {
        List<Double> prefill = new ArrayList<>();
        List<Double> decode = new ArrayList<>();
        List<Double> streams = new ArrayList<>();
        List<Double> withPrompts = new ArrayList<>();
        for (int round = 0; round < WARM_UP + ROUNDS; round++) {
            prefill.add(round(1000 * PROMPT / number(run(1, 1, PROMPT, 2, round), "ttft_ms_p50")));
            decode.add(round(1000 / number(run(1, 1, 16, DECODED, round), "tpot_ms_mean")));
            List<StreamedCall.Outcome> outcomes = new ArrayList<>();
            withPrompts.add(
                    round(number(run(STREAMS, STREAMS, 16, DECODED, round, outcomes), "output_tokens_per_second")));
            streams.add(round(together(outcomes)));
        }
        figures.put("warm_up_rounds", WARM_UP);
        figures.putPOJO("prefill_rounds", prefill);
        figures.putPOJO("decode_rounds", decode);
        figures.putPOJO("eight_streams_rounds", streams);
        figures.put("prefill_tokens_per_second", best(prefill));
        figures.put("decode_tokens_per_second", best(decode));
        figures.put("eight_streams_tokens_per_second", best(streams));
        figures.put("eight_streams_with_prompts_tokens_per_second", best(withPrompts));
        figures.put("eight_streams_over_prefill", round(best(streams) / best(prefill)));
        figures.put("eight_streams_over_prefill_round_by_round", round(medianRatio(streams, prefill)));
    }

    /** Tokens a second while all of them decode. */
    private static double together(List<StreamedCall.Outcome> outcomes) {
        long from = Long.MIN_VALUE;
        long to = Long.MAX_VALUE;
        for (StreamedCall.Outcome outcome : outcomes) {
            from = Math.max(from, outcome.chunkNanos().getFirst());
            to = Math.min(to, outcome.chunkNanos().getLast());
        }
        double tokens = 0;
        for (StreamedCall.Outcome outcome : outcomes) {
            long begin = from;
            long end = to;
            long chunks = outcome.chunkNanos().stream()
                    .filter(nanos -> nanos > begin && nanos <= end)
                    .count();
            // a piece of text may be of several tokens, or a token of none
            tokens += (double) chunks * outcome.tokens() / outcome.chunkNanos().size();
        }
        return tokens / ((to - from) / 1e9);
    }

    private Map<String, Object> run(int concurrency, int requests, int prompt, int output, long seed) throws Exception {
        return run(concurrency, requests, prompt, output, seed, new ArrayList<>());
    }

    /** @param outcomes those of the requests are added */
    private Map<String, Object> run(
            int concurrency, int requests, int prompt, int output, long seed, List<StreamedCall.Outcome> outcomes)
            throws Exception {
        LoadOptions options = LoadOptions.parse(
                "--url", url.toString(),
                "--requests", String.valueOf(requests),
                "--concurrency", String.valueOf(concurrency),
                "--prompt", String.valueOf(prompt),
                "--output", String.valueOf(output),
                "--seed", String.valueOf(seed));
        long[] start = new long[1];
        outcomes.addAll(LoadGenerator.run(options, start));
        LoadReport report = new LoadReport(options, outcomes);
        Map<String, Object> figures = report.figures(start[0]);
        if (!figures.get("failed").equals(0)) {
            throw new IllegalStateException("requests failed: " + figures.get("failures"));
        }
        return figures;
    }

    private static double number(Map<String, Object> figures, String name) {
        return ((Number) figures.get(name)).doubleValue();
    }

    private static double best(List<Double> rates) {
        return rates.stream()
                .skip(WARM_UP)
                .mapToDouble(Double::doubleValue)
                .max()
                .orElseThrow();
    }

    /** Of the rates' ratio in each round: what spells of a busy machine slow in both. */
    private static double medianRatio(List<Double> rates, List<Double> others) {
        double[] ratios = IntStream.range(WARM_UP, rates.size())
                .mapToDouble(round -> rates.get(round) / others.get(round))
                .sorted()
                .toArray();
        return (ratios[(ratios.length - 1) / 2] + ratios[ratios.length / 2]) / 2;
    }

    private static double round(double value) {
        return Math.round(value * 100) / 100.0;
    }

    private static Optional<JsonNode> peer(Path python, String threads) throws IOException, InterruptedException {
        if (!Files.isExecutable(python)) {
            System.out.println("llama.cpp left out: no " + python + "; loadtest/peer/measure.py says how to set it up");
            return Optional.empty();
        }
        Process process = new ProcessBuilder(
                        python.toString(),
                        "loadtest/peer/measure.py",
                        "--threads",
                        threads,
                        "--prompt",
                        String.valueOf(PROMPT))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        // to its end: a peer whose output is closed early fails
        JsonNode figures = JSON.readTree(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IllegalStateException("the peer ended with " + process.exitValue());
        }
        return Optional.of(figures);
    }

    private static void compare(ObjectNode figures, JsonNode theirs) {
        figures.set("peer", theirs);
        for (String rate : List.of("prefill_tokens_per_second", "decode_tokens_per_second")) {
            figures.put(
                    rate.replace("_tokens_per_second", "_ratio"),
                    round(figures.get(rate).asDouble() / theirs.get(rate).asDouble()));
        }
    }
}
