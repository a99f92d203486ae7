package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PrefixKeysTest {
    private static AdapterBinding adapter(String digest) {
        return new AdapterBinding(0, digest, () -> {});
    }

    @Test
    void everyFieldIsFramedSoThatNoTwoInputsMeet() {
        PrefixKeys keys = new PrefixKeys("model", 4);
        Set<BlockKey> roots = new HashSet<>(List.of(
                keys.root(AdapterBinding.BASE, ""),
                // An adapter named like a salt, a salt named like an adapter, and both split elsewhere.
                keys.root(adapter("ab"), ""),
                keys.root(AdapterBinding.BASE, "ab"),
                keys.root(adapter("a"), "b"),
                keys.root(adapter(""), "ab"),
                keys.root(adapter(""), ""),
                new PrefixKeys("mode", 4).root(adapter("l"), ""),
                new PrefixKeys("modela", 4).root(AdapterBinding.BASE, "b")));
        assertThat(roots).hasSize(8);
    }

    @Test
    void keysAreTheSameForTheSameInput() {
        PrefixKeys keys = new PrefixKeys("model", 4);
        PrefixKeys others = new PrefixKeys("model", 4);
        int[] tokens = {1, 2, 3, 4, 5, 6, 7, 8};
        BlockKey first = keys.next(keys.root(adapter("a"), "s"), tokens, 0);
        assertThat(others.next(others.root(adapter("a"), "s"), tokens, 0)).isEqualTo(first);
        assertThat(keys.next(first, tokens, 4)).isEqualTo(others.next(first, tokens, 4));
    }

    @Test
    void aKeyDependsOnEveryTokenBeforeIt() {
        PrefixKeys keys = new PrefixKeys("model", 4);
        BlockKey root = keys.root(AdapterBinding.BASE, "");
        int[] tokens = {1, 2, 3, 4, 5, 6, 7, 8};
        BlockKey second = keys.next(keys.next(root, tokens, 0), tokens, 4);
        int[] changed = {9, 2, 3, 4, 5, 6, 7, 8};
        assertThat(keys.next(keys.next(root, changed, 0), changed, 4)).isNotEqualTo(second);
        assertThat(keys.next(root, tokens, 4)).as("the same tokens elsewhere").isNotEqualTo(second);
    }
}
