package dev.nightshift.tensor;

/** Rotary embedding and causal attention over whole sequences as plain loops in double. */
final class AttentionFormulas {
    /** Roundings of a rotated element: two products, a sum, and the norm before them. */
    private static final double ROTATED = 16;
    /** Roundings of exp, of the running sums and of the division, above those of the score itself. */
    private static final double WEIGHTED = 32;

    private AttentionFormulas() {}

    /** Cosines then sines of the plain rotary embedding, base 10,000. */
    static float[] cosSin(int position, int headDim) {
        float[] out = new float[headDim];
        int half = headDim / 2;
        for (int i = 0; i < half; i++) {
            double angle = position * Math.pow(10_000, -2.0 * i / headDim);
            out[i] = (float) Math.cos(angle);
            out[half + i] = (float) Math.sin(angle);
        }
        return out;
    }

    /**
     * One row of q, k, v after norms and rotation.
     *
     * @param qNorm [headDim] or null; kNorm alike
     */
    static Expected rope(
            float[] qkv, float[] qNorm, float[] kNorm, float epsilon, float[] cosSin, AttentionShape shape) {
        int size = shape.headDim();
        Expected expected = new Expected(qkv.length);
        for (int head = 0; head < shape.heads() + 2 * shape.kvHeads(); head++) {
            int at = head * size;
            boolean value = head >= shape.heads() + shape.kvHeads();
            float[] norm = head < shape.heads() ? qNorm : kNorm;
            double[] in = new double[size];
            for (int i = 0; i < size; i++) {
                in[i] = qkv[at + i];
            }
            if (value) {
                for (int i = 0; i < size; i++) {
                    expected.set(at + i, in[i], 0);
                }
                continue;
            }
            if (norm != null) {
                double squares = 0;
                for (double element : in) {
                    squares += element * element;
                }
                double scale = 1 / Math.sqrt(squares / size + epsilon);
                for (int i = 0; i < size; i++) {
                    in[i] *= scale * norm[i];
                }
            }
            rotate(in, cosSin, expected, at);
        }
        return expected;
    }

    private static void rotate(double[] in, float[] cosSin, Expected expected, int at) {
        int half = in.length / 2;
        for (int i = 0; i < half; i++) {
            double tolerance = ROTATED * Expected.ROUNDOFF * (Math.abs(in[i]) + Math.abs(in[i + half])) + Expected.TINY;
            expected.set(at + i, in[i] * cosSin[i] - in[i + half] * cosSin[half + i], tolerance);
            expected.set(at + half + i, in[i + half] * cosSin[i] + in[i] * cosSin[half + i], tolerance);
        }
    }

    /**
     * Attention of the row at {@code position} over rows 0..position of its sequence.
     *
     * @param rotated q, k, v of each position, after {@link #rope}
     */
    static Expected attend(double[][] rotated, int position, AttentionShape shape) {
        int size = shape.headDim();
        int group = shape.heads() / shape.kvHeads();
        int first = shape.window() == 0 ? 0 : Math.max(0, position - shape.window() + 1);
        Expected expected = new Expected(shape.heads() * size);
        for (int head = 0; head < shape.heads(); head++) {
            int keyAt = (shape.heads() + head / group) * size;
            int valueAt = keyAt + shape.kvHeads() * size;
            double[] scores = new double[position - first + 1];
            double top = Double.NEGATIVE_INFINITY;
            double magnitude = 0;
            for (int p = first; p <= position; p++) {
                double score = 0;
                double terms = 0;
                for (int i = 0; i < size; i++) {
                    double term = rotated[position][head * size + i] * rotated[p][keyAt + i] * shape.scale();
                    score += term;
                    terms += Math.abs(term);
                }
                scores[p - first] = score;
                top = Math.max(top, score);
                magnitude = Math.max(magnitude, terms);
            }
            average(rotated, scores, top, magnitude, first, valueAt, size, expected, head * size);
        }
        return expected;
    }

    private static void average(
            double[][] rotated,
            double[] scores,
            double top,
            double magnitude,
            int first,
            int valueAt,
            int size,
            Expected expected,
            int at) {
        double total = 0;
        for (int p = 0; p < scores.length; p++) {
            scores[p] = Math.exp(scores[p] - top);
            total += scores[p];
        }
        // the rotated q and k carry errors of ROTATED roundings each, which the score inherits and exp turns relative
        double relative = (WEIGHTED + 2 * ROTATED * magnitude) * Expected.ROUNDOFF;
        for (int i = 0; i < size; i++) {
            double sum = 0;
            double absolute = 0;
            for (int p = 0; p < scores.length; p++) {
                double term = scores[p] / total * rotated[first + p][valueAt + i];
                sum += term;
                absolute += Math.abs(term);
            }
            expected.set(at + i, sum, relative * absolute + Expected.TINY);
        }
    }
}
