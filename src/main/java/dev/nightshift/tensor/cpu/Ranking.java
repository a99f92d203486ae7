package dev.nightshift.tensor.cpu;

/**
 * Orders tokens by falling value, lower id first on a tie, as one long: the value's bits made sortable above the id's
 * complement. Larger keys come first.
 */
final class Ranking {
    private Ranking() {}

    static long key(float value, int id) {
        int bits = Float.floatToRawIntBits(value + 0f);
        return (long) (bits ^ bits >> 31 & 0x7fffffff) << 32 | ~id & 0xffffffffL;
    }

    static int id(long key) {
        return ~(int) key;
    }

    /** Brings the {@code count}-th largest of keys [0, length) to its place in falling order and returns it; larger ones lie before. */
    static long select(long[] keys, int length, int count) {
        int low = 0;
        int high = length - 1;
        int wanted = count - 1;
        while (low < high) {
            long pivot = median(keys[low], keys[(low + high) >>> 1], keys[high]);
            int i = low;
            int j = high;
            while (i <= j) {
                while (keys[i] > pivot) {
                    i++;
                }
                while (keys[j] < pivot) {
                    j--;
                }
                if (i <= j) {
                    long swap = keys[i];
                    keys[i++] = keys[j];
                    keys[j--] = swap;
                }
            }
            if (wanted <= j) {
                high = j;
            } else if (wanted >= i) {
                low = i;
            } else {
                break;
            }
        }
        return keys[wanted];
    }

    private static long median(long a, long b, long c) {
        return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    }

    /** The {@code count}-th largest of values [0, length), which are reordered: at least that many are as large. */
    static float bound(float[] values, int length, int count, long[] keys) {
        for (int i = 0; i < length; i++) {
            keys[i] = key(values[i], i);
        }
        return values[id(select(keys, length, count))];
    }
}
