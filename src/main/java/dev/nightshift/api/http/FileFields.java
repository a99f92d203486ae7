package dev.nightshift.api.http;

import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.Optional;

/** Fields that files and uploads share. */
final class FileFields {
    private static final String ANCHOR = "created_at";

    private FileFields() {}

    static Duration life(String anchor, String seconds) {
        checkAnchor(anchor);
        try {
            return Duration.ofSeconds(Long.parseLong(seconds));
        } catch (NumberFormatException e) {
            throw ServingException.invalid("expires_after", "expires_after[seconds]: '" + seconds + "' is no number");
        }
    }

    /** {@code expires_after} of a JSON body. */
    static Optional<Duration> life(Fields fields) {
        return fields.object("expires_after").map(given -> {
            Fields after = new Fields(given, fields.pathOf("expires_after"));
            checkAnchor(after.requiredString("anchor"));
            return Duration.ofSeconds(
                    after.whole("seconds", 0, Integer.MAX_VALUE).orElseThrow(() -> after.missing("seconds")));
        });
    }

    private static void checkAnchor(String anchor) {
        if (!anchor.equals(ANCHOR)) {
            throw ServingException.invalid("expires_after", "expires_after[anchor]: '" + anchor + "' is not " + ANCHOR);
        }
    }

    /** A number of a query string. */
    static int limit(String given, int absent, int max) {
        if (given == null || given.isEmpty()) {
            return absent;
        }
        try {
            int limit = Integer.parseInt(given);
            if (limit >= 1 && limit <= max) {
                return limit;
            }
        } catch (NumberFormatException e) {
            throw ServingException.invalid("limit", "limit: '" + given + "' is no number between 1 and " + max);
        }
        throw ServingException.invalid("limit", "limit: " + given + " is not between 1 and " + max);
    }

    /** {@code asc} or {@code desc} of a query string. */
    static boolean newestFirst(String order) {
        return switch (order == null ? "desc" : order) {
            case "desc" -> true;
            case "asc" -> false;
            default -> throw ServingException.invalid("order", "order: '" + order + "' is neither asc nor desc");
        };
    }
}
