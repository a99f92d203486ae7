package dev.nightshift.adapter;

import java.util.Map;
import java.util.TreeMap;

/** The README.md that goes out with an adapter: what it is made for, what it is, what it was made from. */
final class ModelCard {
    private ModelCard() {}

    /** Of a version as it is downloaded. */
    static String adapter(AdapterVersion version, AdapterBase base) {
        AdapterOrigin origin = version.origin();
        String baseName = origin.base().isEmpty() ? base.name() : origin.base();
        StringBuilder card = new StringBuilder("""
                ---
                base_model: %s
                library_name: peft
                tags:
                - lora
                ---

                # %s

                | | |
                |---|---|
                """.formatted(yaml(baseName), version.id()));
        row(card, "base model", baseName);
        row(card, "base digest (SHA-256)", origin.baseDigest().isEmpty() ? "not recorded" : origin.baseDigest());
        row(card, "served over", base.name() + ", digest " + base.digest());
        row(card, "adapter digest (SHA-256)", version.digest());
        row(card, "data", origin.data().isEmpty() ? "not recorded" : origin.data());
        row(card, "tuning job", origin.job().isEmpty() ? "none" : origin.job());
        row(card, "created", origin.created().toString());
        if (version.rank() > 0) {
            row(card, "largest rank", Integer.toString(version.rank()));
        }
        for (Map.Entry<String, Double> number : new TreeMap<>(origin.evaluation()).entrySet()) {
            row(card, "evaluation: " + number.getKey(), number.getValue().toString());
        }
        return card.append("""

                The files are PEFT's: `PeftModel.from_pretrained(model, folder)` reads them, and so does this server.
                """).toString();
    }

    /** Of a base model with an adapter in its weights. */
    static String merged(AdapterVersion version, AdapterBase base, String weights) {
        StringBuilder card = new StringBuilder("""
                ---
                base_model: %s
                library_name: transformers
                ---

                # %s with %s in its weights

                | | |
                |---|---|
                """.formatted(yaml(base.name()), base.name(), version.id()));
        row(card, "base model", base.name() + ", digest " + base.digest());
        row(card, "weights merged into", weights);
        row(card, "adapter", version.id() + ", digest " + version.digest());
        row(
                card,
                "data of the adapter",
                version.origin().data().isEmpty()
                        ? "not recorded"
                        : version.origin().data());
        row(card, "element type", "bfloat16, each weight rounded once");
        return card.toString();
    }

    private static void row(StringBuilder card, String what, String value) {
        card.append("| ").append(what).append(" | ").append(cell(value)).append(" |\n");
    }

    /** A cell of a Markdown table is one line and has no bars. */
    private static String cell(String value) {
        return value.replaceAll("\\s+", " ").replace("|", "\\|");
    }

    private static String yaml(String value) {
        return "\"" + cell(value).replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
