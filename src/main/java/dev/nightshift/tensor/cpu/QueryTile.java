package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/**
 * Queries of one sequence and key-value head that meet keys and values together, and how far each has come. Rows that no query
 * fills hold anything.
 */
final class QueryTile {
    /** Most queries of a tile; half as many are the smaller size. */
    static final int QUERIES = 6;

    static final int HALF = QUERIES / 2;
    /** Positions that a step scores together, and the floats of a row of scores, unless a block holds more. */
    static final int SCORES = 64;
    /** Floats of a row of queries and of outputs, unless a head holds more. */
    static final int HEAD = 256;

    /** Floats of a query's state: its highest score; from {@link #FACTOR} the last factor; from {@link #SUMS} its weights' sums. */
    static final int STATE = 32;

    static final int FACTOR = 8;
    static final int SUMS = 16;

    final int[] position = new int[QUERIES];
    /** Where each query's output goes. */
    final long[] out = new long[QUERIES];

    final Floats state = Floats.of(QUERIES * STATE);
    /** [query][head], scaled. */
    Floats q = Floats.of(0);
    /** [query][head]: sums of weighted values. */
    Floats o = q;
    /** [query][scores]: scores, then weights. */
    Floats s = q;

    int head;
    int scores;
    int queries;

    /** Grows to these sizes and is empty then. */
    void begin(int headFloats, int scoreFloats) {
        int wantedHead = Math.max(HEAD, headFloats);
        int wantedScores = Math.max(SCORES, scoreFloats);
        if (head != wantedHead || scores != wantedScores) {
            head = wantedHead;
            scores = wantedScores;
            q = Floats.of(QUERIES * head);
            o = Floats.of(QUERIES * head);
            s = Floats.of(QUERIES * scores);
        }
        queries = 0;
    }

    /** Rows that the inner loops work on. */
    int rows() {
        return queries > HALF ? QUERIES : HALF;
    }

    /** Position of the first query. */
    int lowest() {
        return position[0];
    }

    /** Position of the last query. */
    int highest() {
        return position[queries - 1];
    }

    boolean full() {
        return queries == QUERIES;
    }

    /** Takes one more query, whose row of q the caller fills; returns its number. */
    int add(int itsPosition, long itsOut) {
        int query = queries++;
        position[query] = itsPosition;
        out[query] = itsOut;
        int at = query * STATE;
        // below any score, so that a step that masks all of a query's positions changes nothing
        state.values()[at] = -Float.MAX_VALUE;
        Arrays.fill(state.values(), at + SUMS, at + STATE, 0);
        Arrays.fill(o.values(), query * head, (query + 1) * head, 0);
        return query;
    }

    /** Brings query {@code i}'s output to the new maximum, which {@link AttentionLanes#values} does otherwise. */
    void rescale(int i) {
        float factor = state.values()[i * STATE + FACTOR];
        state.values()[i * STATE + FACTOR] = 1;
        for (int d = i * head; d < (i + 1) * head; d++) {
            o.values()[d] *= factor;
        }
    }

    /** One over the sum of query {@code i}'s weights, halves of the lanes added onto each other. */
    float inverseSum(int i) {
        float[] values = state.values();
        int at = i * STATE + SUMS;
        for (int half = (STATE - SUMS) / 2; half > 0; half /= 2) {
            for (int lane = 0; lane < half; lane++) {
                values[at + lane] += values[at + lane + half];
            }
        }
        return 1 / values[at];
    }
}
