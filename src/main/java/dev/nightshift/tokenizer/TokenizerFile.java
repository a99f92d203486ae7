package dev.nightshift.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.StreamSupport;

/** A parsed tokenizer.json: its vocabulary, its added tokens, and copies in which control tokens go by other names. */
final class TokenizerFile {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonNode root;
    private final List<AddedToken> added;

    private TokenizerFile(JsonNode root, List<AddedToken> added) {
        this.root = root;
        this.added = List.copyOf(added);
    }

    static TokenizerFile parse(byte[] bytes) {
        JsonNode root;
        try {
            root = JSON.readTree(bytes);
        } catch (IOException e) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "tokenizer.json is no JSON: " + firstLine(e), e);
        }
        if (root == null || !root.path("model").path("vocab").isContainerNode()) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "tokenizer.json has no model.vocab");
        }
        List<AddedToken> added = new ArrayList<>();
        for (JsonNode token : root.path("added_tokens")) {
            added.add(new AddedToken(
                    token.path("id").asInt(-1),
                    token.path("content").asText(),
                    token.path("special").asBoolean(),
                    token.path("single_word").asBoolean(),
                    token.path("lstrip").asBoolean(),
                    token.path("rstrip").asBoolean(),
                    token.path("normalized").asBoolean()));
        }
        return new TokenizerFile(root, added);
    }

    private static String firstLine(IOException e) {
        return e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.getMessage();
    }

    List<AddedToken> added() {
        return added;
    }

    JsonNode decoder() {
        return root.path("decoder");
    }

    /** The model's own pieces by id; null where no piece has the id. */
    String[] pieces() {
        JsonNode vocab = root.path("model").path("vocab");
        String[] pieces = new String[vocab.size()];
        if (vocab.isArray()) {
            for (int i = 0; i < pieces.length; i++) {
                pieces[i] = vocab.get(i).path(0).asText();
            }
            return pieces;
        }
        int largest = 0;
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            largest = Math.max(largest, entry.getValue().asInt(-1));
        }
        pieces = new String[Math.max(pieces.length, largest + 1)];
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            pieces[entry.getValue().intValue()] = entry.getKey();
        }
        return pieces;
    }

    /**
     * Whether the model may give the id of a control token for plain text that spells it: Unigram, word models and BPE with
     * {@code ignore_merges} look pieces up whole, and a merge may end in one.
     */
    boolean modelSpellsControls() {
        JsonNode model = root.path("model");
        boolean looksUpWhole = !"BPE".equals(model.path("type").asText("BPE"))
                || model.path("ignore_merges").asBoolean();
        Set<String> pieces = controlPieces();
        return !pieces.isEmpty() && (looksUpWhole || mergesTouch(pieces));
    }

    private Set<String> controlPieces() {
        Set<String> contents = new HashSet<>();
        added.stream().filter(AddedToken::special).forEach(token -> contents.add(token.content()));
        JsonNode vocab = root.path("model").path("vocab");
        if (vocab.isArray()) {
            Set<String> pieces = new HashSet<>();
            vocab.forEach(piece -> pieces.add(piece.path(0).asText()));
            contents.retainAll(pieces);
        } else {
            contents.removeIf(content -> !vocab.has(content));
        }
        return contents;
    }

    private boolean mergesTouch(Set<String> pieces) {
        return StreamSupport.stream(root.path("model").path("merges").spliterator(), false)
                .anyMatch(merge -> touches(merge, pieces));
    }

    /** A merge is {@code "left right"} in older files, {@code ["left", "right"]} in newer ones. */
    private static boolean touches(JsonNode merge, Set<String> pieces) {
        String left;
        String right;
        if (merge.isArray()) {
            left = merge.path(0).asText();
            right = merge.path(1).asText();
        } else {
            String both = merge.asText();
            int space = both.indexOf(' ');
            left = both.substring(0, Math.max(space, 0));
            right = both.substring(space + 1);
        }
        return pieces.contains(left) || pieces.contains(right) || pieces.contains(left + right);
    }

    /**
     * The same tokenizer with control tokens renamed everywhere, ids unchanged: their literals mean nothing any more, neither
     * to the search for added tokens nor to the model.
     */
    byte[] renamed(Map<String, String> names) {
        ObjectNode copy = shallowCopy();
        ObjectNode model = ((ObjectNode) root.path("model")).objectNode();
        model.setAll((ObjectNode) root.path("model"));
        model.set("vocab", renamedVocabulary(model.path("vocab"), names));
        if (model.path("unk_token").isTextual()) {
            String unknown = model.path("unk_token").asText();
            model.put("unk_token", names.getOrDefault(unknown, unknown));
        }
        if (model.path("merges").isArray()) {
            ArrayNode merges = model.arrayNode();
            for (JsonNode merge : model.path("merges")) {
                if (!touches(merge, names.keySet())) {
                    merges.add(merge);
                }
            }
            model.set("merges", merges);
        }
        copy.set("model", model);
        ArrayNode tokens = copy.arrayNode();
        boolean prepends = prepends(root.path("normalizer"));
        for (JsonNode token : root.path("added_tokens")) {
            String name = names.get(token.path("content").asText());
            if (name == null) {
                tokens.add(token);
                continue;
            }
            ObjectNode other = token.deepCopy();
            other.put("content", name);
            // a prepended character would become part of the pattern, which then is found at the start of a text only
            other.put("normalized", token.path("normalized").asBoolean() && !prepends);
            tokens.add(other);
        }
        copy.set("added_tokens", tokens);
        return write(copy);
    }

    /**
     * What {@code split_special_tokens} means to Hugging Face: the added tokens are not looked for, but the model may still
     * find the piece in its own vocabulary. Tokens outside that vocabulary are renamed, not dropped, to keep the others' ids.
     */
    byte[] withoutControls(Map<String, String> names) {
        Set<String> pieces = controlPieces();
        ObjectNode copy = shallowCopy();
        ArrayNode tokens = copy.arrayNode();
        for (JsonNode token : root.path("added_tokens")) {
            String content = token.path("content").asText();
            if (!names.containsKey(content)) {
                tokens.add(token);
            } else if (!pieces.contains(content)) {
                ObjectNode other = token.deepCopy();
                tokens.add(other.put("content", names.get(content)).put("normalized", false));
            }
        }
        copy.set("added_tokens", tokens);
        return write(copy);
    }

    private ObjectNode shallowCopy() {
        ObjectNode copy = ((ObjectNode) root).objectNode();
        copy.setAll((ObjectNode) root);
        return copy;
    }

    private static JsonNode renamedVocabulary(JsonNode vocab, Map<String, String> names) {
        if (vocab.isArray()) {
            ArrayNode pieces = ((ArrayNode) vocab).arrayNode();
            for (JsonNode piece : vocab) {
                String name = names.get(piece.path(0).asText());
                pieces.add(
                        name == null
                                ? piece
                                : ((ArrayNode) vocab).arrayNode().add(name).add(piece.path(1)));
            }
            return pieces;
        }
        ObjectNode pieces = ((ObjectNode) vocab).objectNode();
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            pieces.set(names.getOrDefault(entry.getKey(), entry.getKey()), entry.getValue());
        }
        return pieces;
    }

    private static boolean prepends(JsonNode normalizer) {
        if ("Prepend".equals(normalizer.path("type").asText())) {
            return true;
        }
        return StreamSupport.stream(normalizer.path("normalizers").spliterator(), false)
                .anyMatch(TokenizerFile::prepends);
    }

    private static byte[] write(JsonNode node) {
        try {
            return JSON.writeValueAsBytes(node);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("an edited tokenizer.json could not be written", e);
        }
    }
}
