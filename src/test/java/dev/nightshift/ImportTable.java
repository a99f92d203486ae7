package dev.nightshift;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Who may use whom: the table of the design, section 2. A key is a package below {@code dev.nightshift} with its own
 * sub-packages; a value that starts with a capital letter after its last dot allows that one type.
 */
final class ImportTable {
    private static final String ROOT = "dev.nightshift";
    private static final Set<String> JDK_ONLY = Set.of("template", "tensor", "failure");
    private static final Set<String> FRAMEWORKS = Set.of("io.quarkus.", "jakarta.", "io.vertx.");

    /** Packages that may not know that they run in a web server. */
    private static final Set<String> BELOW_CHAT = Set.of(
            "engine",
            "adapter",
            "train",
            "template",
            "model",
            "checkpoint",
            "tokenizer",
            "quant",
            "tensor",
            "tensor.cpu",
            "tensor.cuda",
            "tensor.nd4j",
            "files",
            "jsonl",
            "store",
            "failure");

    /** Usable by every package, and by those from the engine upwards. */
    private static final String FAILURE = "failure";

    private static final String TELEMETRY = "telemetry";
    private static final Set<String> FROM_ENGINE_UP =
            Set.of("api", "api.http", "api.grpc", "chat", "tuning", "engine", "adapter", "store");

    /** The records that a chat request is made of: what the two interfaces fill in. */
    private static final List<String> REQUEST_RECORDS =
            List.of("engine.SamplingParameters", "engine.FinishReason", "template.ChatPrompt");

    /** A type or a whole package by its full name, not a field or a call. */
    private static final Pattern LIBRARY_NAME = Pattern.compile("^([a-z]\\w*\\.)+[A-Z*]");

    private final Map<String, Set<String>> allowed = new LinkedHashMap<>();

    ImportTable() {
        List<String> wire = new ArrayList<>(List.of("chat", "tuning", "adapter", "files", "store"));
        wire.addAll(REQUEST_RECORDS);
        allowed.put("api.http", Set.copyOf(wire));
        wire.add("proto");
        allowed.put("api.grpc", Set.copyOf(wire));
        allowed.put("chat", Set.of("engine", "adapter", "tokenizer", "template"));
        allowed.put("tuning", Set.of("engine", "train", "adapter", "files", "store"));
        allowed.put("engine", Set.of("model", "adapter", "tensor"));
        allowed.put("adapter", Set.of("model", "checkpoint", "tensor", "store"));
        // quant for the code book of the 8-bit optimizer states
        allowed.put("train", Set.of("model", "template", "tokenizer", "checkpoint", "tensor", "quant", "jsonl"));
        allowed.put("template", Set.of());
        allowed.put("model", Set.of("tensor", "quant"));
        allowed.put("checkpoint", Set.of("model", "tensor", "quant"));
        allowed.put("tokenizer", Set.of());
        allowed.put("quant", Set.of("tensor"));
        allowed.put("tensor", Set.of());
        allowed.put("tensor.cpu", Set.of("tensor", "quant"));
        allowed.put("tensor.cuda", Set.of("tensor", "quant"));
        allowed.put("tensor.nd4j", Set.of("tensor", "quant"));
        allowed.put("files", Set.of("store", "jsonl"));
        allowed.put("jsonl", Set.of());
        allowed.put("store", Set.of());
        allowed.put(TELEMETRY, Set.of());
        allowed.put(FAILURE, Set.of());
    }

    /** Why a file of a package may not use a qualified name, or nothing if it may. */
    Optional<String> refusal(String fromPackage, String usedName) {
        if (fromPackage.equals(ROOT)) {
            return Optional.empty();
        }
        Optional<String> from = row(fromPackage);
        if (from.isEmpty()) {
            return Optional.of("package " + fromPackage + " is not in the import table");
        }
        return usedName.startsWith(ROOT + ".")
                ? ownRefusal(from.get(), usedName.substring(ROOT.length() + 1))
                : foreignRefusal(from.get(), usedName);
    }

    private Optional<String> ownRefusal(String from, String used) {
        String to = longestKey(used).orElse(used.startsWith("proto.") ? "proto" : "(root)");
        Set<String> row = allowed.get(from);
        boolean ok = to.equals(from)
                || row.contains(to)
                || to.equals(FAILURE)
                || (to.equals(TELEMETRY) && FROM_ENGINE_UP.contains(from))
                || row.stream().anyMatch(type -> used.equals(type) || used.startsWith(type + "."));
        return ok ? Optional.empty() : Optional.of(from + " may not use " + to + " (" + used + "), only " + row);
    }

    private static Optional<String> foreignRefusal(String from, String used) {
        if (!LIBRARY_NAME.matcher(used).find()) {
            return Optional.empty();
        }
        if (BELOW_CHAT.contains(from) && FRAMEWORKS.stream().anyMatch(used::startsWith)) {
            return Optional.of(from + " may not use the web framework (" + used + ")");
        }
        boolean jdk = used.startsWith("java.") || used.startsWith("javax.") || used.startsWith("jdk.");
        return JDK_ONLY.contains(from) && !jdk && !used.startsWith("org.jspecify.")
                ? Optional.of(from + " may use the JDK only (" + used + ")")
                : Optional.empty();
    }

    private Optional<String> row(String packageName) {
        return longestKey(packageName.substring(Math.min(packageName.length(), ROOT.length() + 1)));
    }

    private Optional<String> longestKey(String name) {
        return allowed.keySet().stream()
                .filter(key -> name.equals(key) || name.startsWith(key + "."))
                .max(Comparator.comparingInt(String::length));
    }
}
