package dev.nightshift.tensor;

import dev.nightshift.tensor.TrainingOps.Dropout;
import java.util.Arrays;

/** Forward and backward of {@link TrainingOps} as plain loops in double; the backward is held against finite differences. */
final class TrainingFormulas {
    private TrainingFormulas() {}

    /** {@code c += factor * a b^T}; a [n, k], b [m, k], c [n, m]. */
    static void addProductTransposed(double[] c, double factor, double[] a, double[] b, int n, int m, int k) {
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < m; j++) {
                double sum = 0;
                for (int l = 0; l < k; l++) {
                    sum += a[i * k + l] * b[j * k + l];
                }
                c[i * m + j] += factor * sum;
            }
        }
    }

    /** {@code c += factor * a b}; a [n, k], b [k, m], c [n, m]. */
    static void addProduct(double[] c, double factor, double[] a, double[] b, int n, int m, int k) {
        addProductTransposed(c, factor, a, transposed(b, k, m), n, m, k);
    }

    static double[] transposed(double[] matrix, int rows, int columns) {
        double[] out = new double[matrix.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                out[j * rows + i] = matrix[i * columns + j];
            }
        }
        return out;
    }

    /** {@code mask * x / (1 - p)}, for values and for gradients alike. */
    static double[] dropped(double[] x, int columns, Dropout dropout) {
        double[] out = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            float u = CounterRandom.uniform(
                    dropout.seed(), CounterRandom.DROPOUT, dropout.firstRow() + i / columns, i % columns);
            out[i] = u < dropout.probability() ? 0 : x[i] / (1 - (double) dropout.probability());
        }
        return out;
    }

    static double[] rmsNorm(double[] x, double[] weight, double epsilon) {
        int size = weight.length;
        double[] out = new double[x.length];
        for (int row = 0; row < x.length / size; row++) {
            double scale = rmsScale(x, row, size, epsilon);
            for (int i = 0; i < size; i++) {
                out[row * size + i] = x[row * size + i] * scale * weight[i];
            }
        }
        return out;
    }

    private static double rmsScale(double[] x, int row, int size, double epsilon) {
        double squares = 0;
        for (int i = row * size; i < (row + 1) * size; i++) {
            squares += x[i] * x[i];
        }
        return 1 / Math.sqrt(squares / size + epsilon);
    }

    /** {@code s w dy - x s^3 / n * sum(dy w x)}, s = 1 / rms. */
    static double[] rmsNormBackward(double[] dy, double[] x, double[] weight, double epsilon) {
        int size = weight.length;
        double[] dx = new double[x.length];
        for (int row = 0; row < x.length / size; row++) {
            double scale = rmsScale(x, row, size, epsilon);
            double dot = 0;
            for (int i = 0; i < size; i++) {
                dot += dy[row * size + i] * weight[i] * x[row * size + i];
            }
            for (int i = 0; i < size; i++) {
                int at = row * size + i;
                dx[at] = scale * weight[i] * dy[at] - x[at] * Math.pow(scale, 3) / size * dot;
            }
        }
        return dx;
    }

    /** @param direction 1 = forward, -1 = back */
    private static void rotate(double[] qkv, double[] cosSin, AttentionShape shape, int direction) {
        int size = shape.headDim();
        int half = size / 2;
        int heads = shape.heads() + 2 * shape.kvHeads();
        for (int row = 0; row < qkv.length / (heads * size); row++) {
            for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
                for (int i = 0; i < half; i++) {
                    int first = (row * heads + head) * size + i;
                    double x1 = qkv[first];
                    double x2 = qkv[first + half];
                    double cos = cosSin[row * size + i];
                    double sin = direction * cosSin[row * size + half + i];
                    qkv[first] = x1 * cos - x2 * sin;
                    qkv[first + half] = x2 * cos + x1 * sin;
                }
            }
        }
    }

    private interface HeadNorm {
        double[] of(int at, double[] weight);
    }

    private static void eachHead(double[] target, AttentionShape shape, double[] qNorm, double[] kNorm, HeadNorm norm) {
        int size = shape.headDim();
        int heads = shape.heads() + 2 * shape.kvHeads();
        for (int row = 0; row < target.length / (heads * size); row++) {
            for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
                int at = (row * heads + head) * size;
                System.arraycopy(norm.of(at, head < shape.heads() ? qNorm : kNorm), 0, target, at, size);
            }
        }
    }

    static double[] rope(
            double[] qkv, double[] qNorm, double[] kNorm, double epsilon, double[] cosSin, AttentionShape shape) {
        double[] out = qkv.clone();
        if (qNorm != null) {
            eachHead(
                    out,
                    shape,
                    qNorm,
                    kNorm,
                    (at, weight) -> rmsNorm(Arrays.copyOfRange(qkv, at, at + shape.headDim()), weight, epsilon));
        }
        rotate(out, cosSin, shape, 1);
        return out;
    }

    static double[] ropeBackward(
            double[] dOut,
            double[] qkv,
            double[] qNorm,
            double[] kNorm,
            double epsilon,
            double[] cosSin,
            AttentionShape shape) {
        double[] dqkv = dOut.clone();
        rotate(dqkv, cosSin, shape, -1);
        if (qNorm != null) {
            double[] rotated = dqkv.clone();
            int size = shape.headDim();
            eachHead(
                    dqkv,
                    shape,
                    qNorm,
                    kNorm,
                    (at, weight) -> rmsNormBackward(
                            Arrays.copyOfRange(rotated, at, at + size),
                            Arrays.copyOfRange(qkv, at, at + size),
                            weight,
                            epsilon));
        }
        return dqkv;
    }

    /** First row that {@code row} sees. */
    private static int first(int[] segmentStarts, int row, AttentionShape shape) {
        return shape.window() == 0 ? segmentStarts[row] : Math.max(segmentStarts[row], row - shape.window() + 1);
    }

    private static double dot(double[] a, int aAt, double[] b, int bAt, int size) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
            sum += a[aAt + i] * b[bAt + i];
        }
        return sum;
    }

    /** {@code log sum exp} of each row's scores, [rows, heads]. */
    static double[] logSumExp(double[] qkv, int[] segmentStarts, AttentionShape shape) {
        int size = shape.headDim();
        int width = (shape.heads() + 2 * shape.kvHeads()) * size;
        double[] out = new double[segmentStarts.length * shape.heads()];
        for (int row = 0; row < segmentStarts.length; row++) {
            for (int head = 0; head < shape.heads(); head++) {
                double sum = 0;
                for (int key = first(segmentStarts, row, shape); key <= row; key++) {
                    sum += Math.exp(score(qkv, row, key, head, width, shape));
                }
                out[row * shape.heads() + head] = Math.log(sum);
            }
        }
        return out;
    }

    private static double score(double[] qkv, int row, int key, int head, int width, AttentionShape shape) {
        int size = shape.headDim();
        int keyAt = key * width + (shape.heads() + head / (shape.heads() / shape.kvHeads())) * size;
        return shape.scale() * dot(qkv, row * width + head * size, qkv, keyAt, size);
    }

    static double[] attention(double[] qkv, int[] segmentStarts, AttentionShape shape) {
        int size = shape.headDim();
        int width = (shape.heads() + 2 * shape.kvHeads()) * size;
        double[] lse = logSumExp(qkv, segmentStarts, shape);
        double[] out = new double[segmentStarts.length * shape.heads() * size];
        for (int row = 0; row < segmentStarts.length; row++) {
            for (int head = 0; head < shape.heads(); head++) {
                for (int key = first(segmentStarts, row, shape); key <= row; key++) {
                    double weight =
                            Math.exp(score(qkv, row, key, head, width, shape) - lse[row * shape.heads() + head]);
                    int valueAt = key * width
                            + (shape.heads() + shape.kvHeads() + head / (shape.heads() / shape.kvHeads())) * size;
                    for (int i = 0; i < size; i++) {
                        out[(row * shape.heads() + head) * size + i] += weight * qkv[valueAt + i];
                    }
                }
            }
        }
        return out;
    }

    /** {@code dP = dO v^T; dS = P (dP - dO . O); dq = dS k; dk = dS^T q; dv = P^T dO} for query rows [from, to). */
    static double[] attentionBackward(
            double[] dOut, double[] qkv, int[] segmentStarts, AttentionShape shape, int from, int to) {
        int size = shape.headDim();
        int width = (shape.heads() + 2 * shape.kvHeads()) * size;
        int group = shape.heads() / shape.kvHeads();
        double[] lse = logSumExp(qkv, segmentStarts, shape);
        double[] out = attention(qkv, segmentStarts, shape);
        double[] dqkv = new double[qkv.length];
        for (int row = from; row < to; row++) {
            for (int head = 0; head < shape.heads(); head++) {
                int at = (row * shape.heads() + head) * size;
                int queryAt = row * width + head * size;
                double mean = dot(dOut, at, out, at, size);
                for (int key = first(segmentStarts, row, shape); key <= row; key++) {
                    int keyAt = key * width + (shape.heads() + head / group) * size;
                    int valueAt = keyAt + shape.kvHeads() * size;
                    double weight =
                            Math.exp(score(qkv, row, key, head, width, shape) - lse[row * shape.heads() + head]);
                    double dScore = shape.scale() * weight * (dot(dOut, at, qkv, valueAt, size) - mean);
                    for (int i = 0; i < size; i++) {
                        dqkv[queryAt + i] += dScore * qkv[keyAt + i];
                        dqkv[keyAt + i] += dScore * qkv[queryAt + i];
                        dqkv[valueAt + i] += weight * dOut[at + i];
                    }
                }
            }
        }
        return dqkv;
    }

    static double[] swiGlu(double[] gateUp, int inner) {
        double[] out = new double[gateUp.length / 2];
        for (int i = 0; i < out.length; i++) {
            int at = i / inner * 2 * inner + i % inner;
            out[i] = gateUp[at] / (1 + Math.exp(-gateUp[at])) * gateUp[at + inner];
        }
        return out;
    }

    /** {@code dGate = dOut up s (1 + gate (1 - s)); dUp = dOut gate s}, s = sigmoid(gate). */
    static double[] swiGluBackward(double[] dOut, double[] gateUp, int inner) {
        double[] dGateUp = new double[gateUp.length];
        for (int i = 0; i < dOut.length; i++) {
            int at = i / inner * 2 * inner + i % inner;
            double gate = gateUp[at];
            double sigmoid = 1 / (1 + Math.exp(-gate));
            dGateUp[at] = dOut[i] * gateUp[at + inner] * sigmoid * (1 + gate * (1 - sigmoid));
            dGateUp[at + inner] = dOut[i] * gate * sigmoid;
        }
        return dGateUp;
    }

    private static double logNorm(double[] logits, int row, int vocab) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = row * vocab; i < (row + 1) * vocab; i++) {
            max = Math.max(max, logits[i]);
        }
        double sum = 0;
        for (int i = row * vocab; i < (row + 1) * vocab; i++) {
            sum += Math.exp(logits[i] - max);
        }
        return max + Math.log(sum);
    }

    static double[] losses(double[] logits, int[] targets) {
        int vocab = logits.length / targets.length;
        double[] losses = new double[targets.length];
        for (int row = 0; row < targets.length; row++) {
            if (targets[row] >= 0) {
                losses[row] = logNorm(logits, row, vocab) - logits[row * vocab + targets[row]];
            }
        }
        return losses;
    }

    static double[] crossEntropyBackward(double[] logits, int[] targets, double[] weights) {
        int vocab = logits.length / targets.length;
        double[] gradient = new double[logits.length];
        for (int row = 0; row < targets.length; row++) {
            double norm = targets[row] >= 0 ? logNorm(logits, row, vocab) : 0;
            for (int i = 0; i < vocab && targets[row] >= 0; i++) {
                double probability = Math.exp(logits[row * vocab + i] - norm);
                gradient[row * vocab + i] = weights[row] * (probability - (i == targets[row] ? 1 : 0));
            }
        }
        return gradient;
    }
}
