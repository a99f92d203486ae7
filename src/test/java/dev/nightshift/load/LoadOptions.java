package dev.nightshift.load;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What is sent to the server, how much of it, and when.
 *
 * @param models drawn by Zipf's law with exponent {@code zipf} (0 = all alike); empty = the server's first
 * @param rate requests per second; infinite = all at once, as far as {@code concurrency} lets them
 * @param burstiness shape of the gamma distribution of the gaps: 1 = Poisson arrivals, less = bursts
 * @param sharedPrefix tokens that all prompts begin with
 * @param cancelled share of the requests that hang up after a third of their answer
 */
record LoadOptions(
        URI url,
        List<String> models,
        double zipf,
        int requests,
        double rate,
        double burstiness,
        int concurrency,
        int promptTokens,
        int outputTokens,
        int sharedPrefix,
        double cancelled,
        long seed,
        Duration ttftGoal,
        Duration itlGoal,
        Optional<Path> json) {

    static final String USAGE = """
            --url http://127.0.0.1:8080   --models a,b,c      --zipf 1          --requests 100
            --rate 4 (default: inf)       --burstiness 1      --concurrency 64  --prompt 512
            --output 128                  --shared-prefix 0   --cancel 0        --seed 1
            --ttft-goal PT1S              --itl-goal PT0.1S   --json results.json""";

    /** Reads {@code --name value} pairs; an unknown name is refused. */
    static LoadOptions parse(String... arguments) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i < arguments.length; i += 2) {
            if (!arguments[i].startsWith("--") || i + 1 == arguments.length) {
                throw new IllegalArgumentException(arguments[i] + " is no option with a value; options are:\n" + USAGE);
            }
            given.put(arguments[i].substring(2), arguments[i + 1]);
        }
        List<String> models = new ArrayList<>();
        Optional.ofNullable(given.remove("models")).ifPresent(list -> models.addAll(List.of(list.split(","))));
        String rate = take(given, "rate", "inf");
        LoadOptions options = new LoadOptions(
                URI.create(take(given, "url", "http://127.0.0.1:8080")),
                List.copyOf(models),
                Double.parseDouble(take(given, "zipf", "1")),
                Integer.parseInt(take(given, "requests", "100")),
                rate.equals("inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(rate),
                Double.parseDouble(take(given, "burstiness", "1")),
                Integer.parseInt(take(given, "concurrency", "64")),
                Integer.parseInt(take(given, "prompt", "512")),
                Integer.parseInt(take(given, "output", "128")),
                Integer.parseInt(take(given, "shared-prefix", "0")),
                Double.parseDouble(take(given, "cancel", "0")),
                Long.parseLong(take(given, "seed", "1")),
                Duration.parse(take(given, "ttft-goal", "PT1S")),
                Duration.parse(take(given, "itl-goal", "PT0.1S")),
                Optional.ofNullable(given.remove("json")).map(Path::of));
        if (!given.isEmpty()) {
            throw new IllegalArgumentException("unknown options " + given.keySet() + "; options are:\n" + USAGE);
        }
        return options;
    }

    private static String take(Map<String, String> given, String name, String absent) {
        String value = given.remove(name);
        return value == null ? absent : value;
    }
}
