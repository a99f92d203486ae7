package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.adapter.AdapterView;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * A name that requests may give, and what it means now.
 *
 * @param alias another name for a version, not an adapter's own
 * @param pinned a newer version of the adapter leaves it where it is
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record AdapterCard(String id, String object, boolean alias, boolean pinned, String parent, Version version) {

    /** @param parent the base model's name */
    static AdapterCard of(AdapterView view, String parent) {
        return new AdapterCard(view.id(), "adapter", view.alias(), view.pinned(), parent, Version.of(view.version()));
    }

    /** All of them. */
    public record Cards(String object, List<AdapterCard> data) {}

    /** The versions of an adapter, newest first. */
    public record Versions(String object, List<Version> data) {}

    /**
     * An immutable version.
     *
     * @param digest SHA-256 (hex) of configuration and tensors; null before it was read
     * @param reason why it failed
     * @param rank the largest of any module; null before it was read; bytes alike
     * @param resident it lies in a device slot
     * @param leases requests that hold it
     * @param foreign it came without a record of its origin
     */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Version(
            String id,
            String object,
            String name,
            int number,
            String digest,
            String state,
            String reason,
            Integer rank,
            Long bytes,
            boolean resident,
            int leases,
            String base,
            @JsonProperty("base_digest") String baseDigest,
            String job,
            long created,
            String data,
            Map<String, Double> evaluation,
            boolean foreign) {

        static Version of(AdapterVersion version) {
            return new Version(
                    version.id(),
                    "adapter.version",
                    version.name(),
                    version.number(),
                    known(version.digest()),
                    version.state().name().toLowerCase(Locale.ROOT),
                    known(version.reason()),
                    version.rank() == 0 ? null : version.rank(),
                    version.bytes() == 0 ? null : version.bytes(),
                    version.resident(),
                    version.leases(),
                    known(version.origin().base()),
                    known(version.origin().baseDigest()),
                    known(version.origin().job()),
                    version.origin().created().getEpochSecond(),
                    known(version.origin().data()),
                    new TreeMap<>(version.origin().evaluation()),
                    version.foreign());
        }

        private static String known(String text) {
            return text.isEmpty() ? null : text;
        }
    }

    /** What was computed from other adapters; {@code relative_error} is what a reduction of the rank cost. */
    public record Computed(
            Version version, @JsonProperty("relative_error") double relativeError) {}

    /** A merged model in the server's folder of exports. */
    public record Export(String object, String export, List<String> files, long bytes) {}

    /** What is gone. */
    public record Deleted(String id, String object, boolean deleted) {}
}
