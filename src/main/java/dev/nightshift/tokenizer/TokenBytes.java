package dev.nightshift.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The bytes that each id stands for, and what the decoder does at the start of a text. */
final class TokenBytes {
    private static final byte[] NONE = new byte[0];
    private static final byte[] ALPHABET = byteLevelAlphabet();

    private final boolean byteLevel;
    private final boolean byteFallback;
    private final List<String[]> replacements;
    private final String dropInFirst;
    private final int spacesToDrop;
    private final byte[][] table;
    private final String[] texts;

    private TokenBytes(Steps steps, String[] texts, Set<Integer> added) {
        byteLevel = steps.byteLevel;
        byteFallback = steps.byteFallback;
        replacements = List.copyOf(steps.replacements);
        dropInFirst = steps.dropInFirst;
        spacesToDrop = steps.spacesToDrop;
        this.texts = texts;
        table = new byte[texts.length][];
        for (int id = 0; id < texts.length; id++) {
            table[id] = texts[id] == null ? NONE : bytes(texts[id], added.contains(id));
        }
    }

    /** What the decoder's parts amount to. */
    private static final class Steps {
        boolean byteLevel;
        boolean byteFallback;
        final List<String[]> replacements = new ArrayList<>();
        String dropInFirst;
        int spacesToDrop;
    }

    /**
     * @param texts token texts by id, null where there is none
     * @param added ids of added tokens, which are never a byte written as {@code <0xXX>}
     */
    static TokenBytes of(JsonNode decoder, String[] texts, Set<Integer> added) {
        Steps steps = new Steps();
        read(decoder, steps);
        return new TokenBytes(steps, texts, added);
    }

    private static void read(JsonNode decoder, Steps steps) {
        String type = decoder.path("type").asText("none");
        switch (type) {
            case "Sequence" -> decoder.path("decoders").forEach(part -> read(part, steps));
            case "ByteLevel" -> steps.byteLevel = true;
            case "ByteFallback" -> steps.byteFallback = true;
            case "Fuse" -> {}
            case "Replace" -> {
                JsonNode pattern = decoder.path("pattern").path("String");
                if (!pattern.isTextual()) {
                    throw unsupported("Replace with a regular expression");
                }
                steps.replacements.add(
                        new String[] {pattern.asText(), decoder.path("content").asText()});
            }
            case "Metaspace" -> {
                String mark = decoder.path("replacement").asText("\u2581");
                steps.replacements.add(new String[] {mark, " "});
                boolean never = "never".equals(decoder.path("prepend_scheme").asText("always"))
                        || !decoder.path("add_prefix_space").asBoolean(true);
                steps.dropInFirst = never ? null : mark;
            }
            case "Strip" -> {
                if (decoder.path("stop").asInt() != 0
                        || !" ".equals(decoder.path("content").asText())) {
                    throw unsupported("Strip of anything but spaces at the start");
                }
                steps.spacesToDrop = decoder.path("start").asInt();
            }
            default -> throw unsupported(type);
        }
    }

    private static ServingException unsupported(String type) {
        return new ServingException(
                ErrorCode.INVALID_REQUEST,
                "tokenizer.json: decoder " + type + " is not supported; supported are ByteLevel, ByteFallback, Fuse,"
                        + " Replace (string), Strip (spaces at the start), Metaspace and sequences of these");
    }

    byte[] of(int id) {
        return id < 0 || id >= table.length ? NONE : table[id];
    }

    /** The same, at the start of a text. */
    byte[] first(int id) {
        if (dropInFirst == null || id < 0 || id >= texts.length || texts[id] == null) {
            return of(id);
        }
        return texts[id].replace(dropInFirst, "").getBytes(StandardCharsets.UTF_8);
    }

    int spacesToDrop() {
        return spacesToDrop;
    }

    private byte[] bytes(String token, boolean added) {
        if (byteLevel) {
            return fromAlphabet(token);
        }
        if (byteFallback && !added && token.length() == 6 && token.startsWith("<0x") && token.endsWith(">")) {
            int high = Character.digit(token.charAt(3), 16);
            int low = Character.digit(token.charAt(4), 16);
            if (high >= 0 && low >= 0) {
                return new byte[] {(byte) (high << 4 | low)};
            }
        }
        String text = token;
        for (String[] replacement : replacements) {
            text = text.replace(replacement[0], replacement[1]);
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A token with a character outside the alphabet stands for itself. */
    private static byte[] fromAlphabet(String token) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = token.charAt(i);
            if (c >= 0x144 || c < 0x21 || c >= 0x7F && c < 0xA1 || c == 0xAD) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = ALPHABET[c];
        }
        return bytes;
    }

    /**
     * GPT-2's alphabet, turned round: printable Latin-1 characters are the byte itself, the other 68 bytes in order are
     * U+0100 and following.
     */
    private static byte[] byteLevelAlphabet() {
        byte[] alphabet = new byte[0x144];
        int next = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= 0x21 && b <= 0x7E || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            alphabet[printable ? b : next++] = (byte) b;
        }
        return alphabet;
    }
}
