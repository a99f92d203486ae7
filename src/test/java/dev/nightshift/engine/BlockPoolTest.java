package dev.nightshift.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BlockPoolTest {
    private static BlockKey key(long n) {
        return new BlockKey(n, 0, 0, 0);
    }

    @Test
    void everyBlockIsHandedOutOnce() {
        BlockPool pool = new BlockPool(5);
        Set<Integer> blocks = new HashSet<>();
        for (int i = 0; i < 5; i++) {
            blocks.add(pool.allocate());
        }
        assertThat(blocks).containsExactlyInAnyOrder(0, 1, 2, 3, 4);
        assertThat(pool.allocate()).isEqualTo(-1);
        assertThat(pool.used()).isEqualTo(5);
    }

    @Test
    void evictsThePrefixThatHasBeenUnusedLongest() {
        BlockPool pool = new BlockPool(3);
        for (int i = 0; i < 3; i++) {
            pool.register(pool.allocate(), key(i));
        }
        pool.release(1);
        pool.release(0);
        pool.release(2);
        pool.share(1); // used again: the longest unused one is 0 from here on
        pool.release(1);
        assertThat(pool.used()).isZero();
        assertThat(pool.allocate()).isEqualTo(0);
        assertThat(pool.find(key(0))).isEqualTo(-1);
        assertThat(pool.find(key(1))).isEqualTo(1);
        assertThat(pool.allocate()).isEqualTo(2);
        assertThat(pool.allocate()).isEqualTo(1);
        assertThat(pool.cachedBlocks()).isZero();
    }

    @Test
    void sharedBlocksAreFreeOnlyAfterTheirLastUser() {
        BlockPool pool = new BlockPool(1);
        int block = pool.allocate();
        pool.register(block, key(7));
        pool.share(block);
        pool.release(block);
        assertThat(pool.available()).isZero();
        pool.release(block);
        assertThat(pool.available()).isEqualTo(1);
        assertThatThrownBy(() -> pool.release(block)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void theFirstBlockWithAPrefixStays() {
        BlockPool pool = new BlockPool(2);
        int first = pool.allocate();
        int second = pool.allocate();
        pool.register(first, key(1));
        pool.register(second, key(1));
        assertThat(pool.find(key(1))).isEqualTo(first);
        pool.release(second);
        assertThat(pool.find(key(1))).isEqualTo(first);
    }

    @Test
    void forgottenPrefixesAreNotFound() {
        BlockPool pool = new BlockPool(1);
        int block = pool.allocate();
        pool.register(block, key(1));
        pool.forget(block);
        assertThat(pool.find(key(1))).isEqualTo(-1);
        pool.release(block);
        assertThat(pool.available()).isEqualTo(1);
    }

    @Test
    void lendsNeighboursAndTakesThemBack() {
        BlockPool pool = new BlockPool(10);
        int used = pool.allocate();
        int cached = pool.allocate();
        pool.register(cached, key(1));
        pool.release(cached);
        assertThat(pool.lend(8, 3)).as("three must stay").isEqualTo(-1);
        int first = pool.lend(7, 3);
        assertThat(first).isEqualTo(3);
        assertThat(pool.lent()).isEqualTo(7);
        assertThat(pool.available()).isEqualTo(2);
        assertThat(pool.find(key(1))).as("prefixes outside the run stay").isEqualTo(cached);
        assertThat(pool.allocate()).isEqualTo(2);
        assertThat(pool.lend(2, 0)).as("no run of two").isEqualTo(-1);
        pool.giveBack(first, 7);
        assertThat(pool.available()).isEqualTo(8);
        assertThatThrownBy(() -> pool.giveBack(used, 1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void randomUseLosesNoBlock() {
        long seed = 20260115;
        System.err.println("seed " + seed);
        Random random = new Random(seed);
        BlockPool pool = new BlockPool(40);
        List<Integer> held = new ArrayList<>();
        int lentFirst = -1;
        for (int i = 0; i < 20_000; i++) {
            int roll = random.nextInt(10);
            if (roll < 4) {
                int block = pool.allocate();
                if (block >= 0) {
                    held.add(block);
                    if (random.nextBoolean()) {
                        pool.register(block, key(random.nextInt(60)));
                    }
                }
            } else if (roll < 5) {
                int block = pool.find(key(random.nextInt(60)));
                if (block >= 0) {
                    pool.share(block);
                    held.add(block);
                }
            } else if (roll < 9 && !held.isEmpty()) {
                pool.release(held.remove(random.nextInt(held.size())));
            } else if (lentFirst < 0) {
                lentFirst = pool.lend(3, 10);
            } else {
                pool.giveBack(lentFirst, 3);
                lentFirst = -1;
            }
            int distinct = new HashSet<>(held).size() + (lentFirst < 0 ? 0 : 3);
            assertThat(pool.used()).isEqualTo(distinct);
            assertThat(pool.available()).isEqualTo(40 - distinct);
        }
    }
}
