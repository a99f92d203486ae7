package dev.nightshift.engine;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Keys of the prefix cache: a SHA-256 chain over model, adapter, tenant salt and tokens. Every field is written as a type
 * byte, its length and its bytes, so that no two different inputs give the same bytes. One thread at a time.
 */
final class PrefixKeys {
    private static final byte MODEL = 1;
    private static final byte BASE = 2;
    private static final byte ADAPTER = 3;
    private static final byte SALT = 4;
    private static final byte PARENT = 5;
    private static final byte TOKENS = 6;

    private final MessageDigest sha256;
    private final byte[] modelDigest;
    private final ByteBuffer block;
    private final byte[] digest = new byte[32];
    private final ByteBuffer digestView = ByteBuffer.wrap(digest);

    PrefixKeys(String modelDigest, int blockTokens) {
        this.modelDigest = modelDigest.getBytes(StandardCharsets.UTF_8);
        this.block = ByteBuffer.allocate(1 + 4 + 32 + 1 + 4 + blockTokens * Integer.BYTES);
        try {
            this.sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Key of the empty prefix. */
    synchronized BlockKey root(AdapterBinding adapter, String salt) {
        frame(MODEL, modelDigest);
        if (adapter.isBase()) {
            frame(BASE, new byte[0]);
        } else {
            frame(ADAPTER, adapter.digest().getBytes(StandardCharsets.UTF_8));
        }
        frame(SALT, salt.getBytes(StandardCharsets.UTF_8));
        return finish();
    }

    /** Key of the block that holds {@code tokens[from]} and those after it, behind {@code parent}. */
    synchronized BlockKey next(BlockKey parent, int[] tokens, int from) {
        int count = (block.capacity() - 42) / Integer.BYTES;
        block.clear();
        block.put(PARENT).putInt(32);
        block.putLong(parent.a()).putLong(parent.b()).putLong(parent.c()).putLong(parent.d());
        block.put(TOKENS).putInt(count * Integer.BYTES);
        for (int i = 0; i < count; i++) {
            block.putInt(tokens[from + i]);
        }
        sha256.update(block.array(), 0, block.position());
        return finish();
    }

    private void frame(byte type, byte[] bytes) {
        sha256.update(type);
        sha256.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, bytes.length));
        sha256.update(bytes);
    }

    private BlockKey finish() {
        try {
            sha256.digest(digest, 0, digest.length);
        } catch (DigestException e) {
            throw new IllegalStateException("SHA-256 of another size than 32 bytes", e);
        }
        return new BlockKey(
                digestView.getLong(0), digestView.getLong(8), digestView.getLong(16), digestView.getLong(24));
    }
}
