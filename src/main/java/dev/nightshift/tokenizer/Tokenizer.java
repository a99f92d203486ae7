package dev.nightshift.tokenizer;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The Hugging Face tokenizers library behind a small class. Its native part is unpacked once to {@code .djl.ai} in the user's
 * home, or in the JVM's temporary folder where the home can't be written; the environment variable {@code DJL_CACHE_DIR} names
 * another place. Thread-safe, and kept for the process's life: the native instances are never closed.
 */
public final class Tokenizer {
    static {
        // otherwise the library asks a cloud's metadata address, and looks for another native part beside a CUDA card
        System.setProperty("ai.djl.offline", "true");
    }

    /** The library's own defaults cut a text to 512 tokens. */
    private static final Map<String, String> OPTIONS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private static final SecureRandom RANDOM = new SecureRandom();

    private final HuggingFaceTokenizer asWritten;
    private final HuggingFaceTokenizer renamed;
    private final HuggingFaceTokenizer withoutControls;
    private final Map<AddedToken, String> names;
    private final AddedTokenScan scan;
    private final String[] texts;
    private final Map<String, Integer> ids;
    private final Set<Integer> special;
    private final TokenBytes bytes;
    private final int[] lead;
    private final int[] tail;

    private Tokenizer(byte[] json) {
        TokenizerFile file = TokenizerFile.parse(json);
        Set<Integer> addedIds = new HashSet<>();
        special = new HashSet<>();
        texts = texts(file);
        ids = HashMap.newHashMap(texts.length);
        for (int id = 0; id < texts.length; id++) {
            if (texts[id] != null) {
                ids.put(texts[id], id);
            }
        }
        names = new HashMap<>();
        Map<String, String> byContent = new HashMap<>();
        String nonce = nonce();
        for (AddedToken token : file.added()) {
            addedIds.add(token.id());
            if (token.special()) {
                special.add(token.id());
                String name = nonce + privateUse(names.size() / PRIVATE_USE) + privateUse(names.size() % PRIVATE_USE);
                names.put(token, name);
                byContent.put(token.content(), name);
            }
        }
        bytes = TokenBytes.of(file.decoder(), texts, addedIds);
        scan = new AddedTokenScan(file.added());
        asWritten = open(json);
        renamed = byContent.isEmpty() ? asWritten : open(file.renamed(byContent));
        withoutControls = file.modelSpellsControls() ? open(file.withoutControls(byContent)) : renamed;
        check(file.added());
        // Post-processors put the same tokens around every text.
        int[] around = raw(asWritten, "a", true);
        int[] bare = raw(asWritten, "a", false);
        int start =
                bare.length == 0 ? around.length : Math.max(0, Collections.indexOfSubList(boxed(around), boxed(bare)));
        lead = Arrays.copyOfRange(around, 0, start);
        tail = Arrays.copyOfRange(around, Math.min(start + bare.length, around.length), around.length);
    }

    private static List<Integer> boxed(int[] ids) {
        return Arrays.stream(ids).boxed().toList();
    }

    /** @param tokenizerJson the file, or the folder that holds a {@code tokenizer.json} */
    public static Tokenizer load(Path tokenizerJson) {
        Path file = Files.isDirectory(tokenizerJson) ? tokenizerJson.resolve("tokenizer.json") : tokenizerJson;
        try {
            return load(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new ServingException(ErrorCode.NOT_FOUND, "tokenizer file " + file + " can't be read: " + e, e);
        }
    }

    /**
     * What stands around a text is the file's alone: {@code add_bos_token} and {@code add_eos_token} beside it count for nothing,
     * as in transformers 5 (golden {@code tokenizers/ends.json}).
     *
     * @param tokenizerJson content of a tokenizer.json
     */
    public static Tokenizer load(byte[] tokenizerJson) {
        return new Tokenizer(tokenizerJson);
    }

    private static String[] texts(TokenizerFile file) {
        String[] texts = file.pieces();
        int size = texts.length;
        for (AddedToken token : file.added()) {
            if (token.id() < 0) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST, "tokenizer.json: added token '" + token.content() + "' has no id");
            }
            size = Math.max(size, token.id() + 1);
        }
        texts = Arrays.copyOf(texts, size);
        for (AddedToken token : file.added()) {
            texts[token.id()] = token.content();
        }
        return texts;
    }

    private static HuggingFaceTokenizer open(byte[] json) {
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), OPTIONS);
        } catch (IOException | RuntimeException e) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "tokenizer.json was refused: " + e.getMessage(), e);
        }
    }

    /** The library numbers added tokens itself; a file with other ids in it would be silently served with wrong ones. */
    private void check(List<AddedToken> added) {
        for (AddedToken token : added) {
            // a normaliser may keep a pattern from matching; then the id can't be seen from outside
            boolean visible = !token.normalized() && !token.content().isEmpty();
            if (visible && !gives(asWritten, token.content(), token.id())) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "tokenizer.json: added token '" + token.content() + "' has id " + token.id()
                                + ", but the tokenizer gives "
                                + Arrays.toString(raw(asWritten, token.content(), false)));
            }
            if (token.special() && !gives(renamed, names.get(token), token.id())) {
                throw new IllegalStateException("renamed token '" + token.content() + "' has id " + token.id()
                        + ", but encodes to " + Arrays.toString(raw(renamed, names.get(token), false)));
            }
        }
    }

    private static boolean gives(HuggingFaceTokenizer tokenizer, String text, int id) {
        return Arrays.stream(raw(tokenizer, text, false)).anyMatch(each -> each == id);
    }

    private static final int PRIVATE_USE = 0xF8FF - 0xE000 + 1;

    private static char privateUse(int index) {
        return (char) (0xE000 + index);
    }

    /** 12 characters out of 6,400: 151 bits, drawn anew for each instance, so that no text can hold a name by design. */
    private static String nonce() {
        StringBuilder nonce = new StringBuilder(12);
        for (int i = 0; i < 12; i++) {
            nonce.append(privateUse(RANDOM.nextInt(PRIVATE_USE)));
        }
        return nonce.toString();
    }

    /**
     * Ids of a text in which the literals of special tokens are these tokens.
     *
     * @param addSpecial put the model's own tokens (BOS, EOS) around it
     */
    public int[] encode(String text, boolean addSpecial) {
        int[] bare = raw(asWritten, wholeCharacters(text), false);
        return addSpecial
                ? Stream.of(lead, bare, tail).flatMapToInt(Arrays::stream).toArray()
                : bare;
    }

    /**
     * Ids of a text in which the literals of special tokens are plain text, as {@code split_special_tokens=True} of Hugging
     * Face. A Unigram or word model may still know the literal as one of its pieces; {@link #encodeRendered} prevents that.
     */
    public int[] encodePlain(String text) {
        return raw(withoutControls, wholeCharacters(text), false);
    }

    /**
     * Ids of a rendered template. A special token's literal counts as one only if none of its characters lies in an untrusted
     * range; everything else, in whatever way it is spelt or normalised, is plain text and never becomes a control token.
     * Added tokens that are not special match everywhere.
     *
     * @param untrusted start (inclusive) and end (exclusive) of each range in turn, UTF-16 units, in order, not overlapping
     */
    public int[] encodeRendered(String text, int[] untrusted) {
        return raw(renamed, rewrite(text, untrusted).text(), false);
    }

    /** The ids of {@link #encodeRendered}, and where each comes from. */
    public AlignedTokens alignRendered(String text, int[] untrusted) {
        Rewritten rewritten = rewrite(text, untrusted);
        return align(renamed, rewritten.text(), false, rewritten.origins());
    }

    /** The ids of {@link #encode}, and where each comes from; a token that was added comes from an empty range. */
    public AlignedTokens align(String text, boolean addSpecial) {
        String clean = wholeCharacters(text);
        AlignedTokens bare =
                align(asWritten, clean, false, Rewritten.asItIs(clean).origins());
        return addSpecial ? bare.between(lead, tail, text.length()) : bare;
    }

    private Rewritten rewrite(String text, int[] untrusted) {
        checkRanges(text.length(), untrusted);
        String clean = wholeCharacters(text);
        return Rewritten.of(clean, scan.controls(clean, untrusted), names);
    }

    /** @param origins position in the caller's text of each code point, and of the end */
    private static AlignedTokens align(HuggingFaceTokenizer tokenizer, String text, boolean addSpecial, int[] origins) {
        Encoding encoding = tokenizer.encode(text, addSpecial, false);
        long[] wide = encoding.getIds();
        CharSpan[] spans = encoding.getCharTokenSpans(); // in code points; null for a token that was added
        int[] narrow = new int[wide.length];
        int[] from = new int[wide.length];
        int[] to = new int[wide.length];
        for (int i = 0; i < wide.length; i++) {
            narrow[i] = Math.toIntExact(wide[i]);
            from[i] = spans[i] == null ? (i == 0 ? 0 : to[i - 1]) : origins[spans[i].getStart()];
            to[i] = spans[i] == null ? from[i] : origins[spans[i].getEnd()];
        }
        return new AlignedTokens(narrow, from, to);
    }

    private static void checkRanges(int length, int[] untrusted) {
        int least = 0;
        for (int i = 0; i < untrusted.length; i++) {
            if (untrusted[i] < least || untrusted[i] > length || untrusted.length % 2 != 0) {
                throw new IllegalStateException("untrusted ranges " + Arrays.toString(untrusted)
                        + " are not in order within " + length + " characters");
            }
            least = untrusted[i];
        }
    }

    private static int[] raw(HuggingFaceTokenizer tokenizer, String text, boolean addSpecial) {
        long[] wide = tokenizer.encode(text, addSpecial, false).getIds();
        int[] narrow = new int[wide.length];
        for (int i = 0; i < wide.length; i++) {
            narrow[i] = Math.toIntExact(wide[i]);
        }
        return narrow;
    }

    /** A lone surrogate would spoil the whole string on its way into native code; U+FFFD takes its place. */
    static String wholeCharacters(String text) {
        StringBuilder repaired = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
                continue;
            }
            if (repaired == null) {
                repaired = new StringBuilder(text);
            }
            repaired.setCharAt(i, '\uFFFD');
        }
        return repaired == null ? text : repaired.toString();
    }

    /** The text of ids; ids outside the vocabulary are refused. */
    public String decode(int[] tokenIds, boolean skipSpecial) {
        long[] wide = new long[tokenIds.length];
        for (int i = 0; i < wide.length; i++) {
            checkId(tokenIds[i]);
            wide[i] = tokenIds[i];
        }
        return asWritten.decode(wide, skipSpecial);
    }

    private void checkId(int id) {
        if (id < 0 || id >= texts.length) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "token id " + id + " is outside of the vocabulary, 0 to " + (texts.length - 1));
        }
    }

    /** A decoder for one growing text. */
    public StreamingDecoder streaming(boolean skipSpecial) {
        return new StreamingDecoder(this, skipSpecial, bytes.spacesToDrop());
    }

    /** Text of a token alone, with U+FFFD where it is a part of a character; "" for an id without token. */
    public String tokenText(int id) {
        StringBuilder text = new StringBuilder();
        Utf8Assembler assembler = new Utf8Assembler();
        assembler.push(bytes.of(id), text);
        assembler.finish(text);
        return text.toString();
    }

    /** The bytes that a token adds to a text; none for an id without token. Not to be written to. */
    public byte[] tokenBytes(int id) {
        return bytes.of(id);
    }

    byte[] firstTokenBytes(int id) {
        return bytes.first(id);
    }

    /** The token as the vocabulary spells it ({@code Ġhello}, {@code ▁hello}); "" for an id without token. */
    public String vocabularyText(int id) {
        return id < 0 || id >= texts.length || texts[id] == null ? "" : texts[id];
    }

    /** One more than the largest id. A model's embedding may have more rows. */
    public int vocabSize() {
        return texts.length;
    }

    /** Bytes of the longest token: a text of more than that times the context cannot fit. */
    public int longestTokenBytes() {
        int longest = 1;
        for (int id = 0; id < texts.length; id++) {
            int spelt = texts[id] == null ? 0 : texts[id].length();
            longest = Math.max(longest, Math.max(spelt, bytes.of(id).length));
        }
        return longest;
    }

    /** The id of a token as the vocabulary spells it. */
    public OptionalInt idOf(String token) {
        Integer id = ids.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** Whether an id is a control token, which readers of a text don't see. */
    public boolean isSpecial(int id) {
        return special.contains(id);
    }
}
