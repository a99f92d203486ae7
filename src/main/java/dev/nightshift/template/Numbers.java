package dev.nightshift.template;

import dev.nightshift.template.Expr.BinaryOperator;
import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Real;
import java.math.BigDecimal;
import java.math.BigInteger;

/** Python's arithmetic on int, float and bool. */
final class Numbers {
    private static final int BITS_MAX = 1 << 13;

    private Numbers() {}

    static boolean isNumber(Value value) {
        return value instanceof Int || value instanceof Bool || value instanceof Real;
    }

    /** An int or bool as a whole number, or null. */
    static BigInteger whole(Object value) {
        return switch (value) {
            case Int number -> number.value();
            case Bool bool -> bool.value() ? BigInteger.ONE : BigInteger.ZERO;
            default -> null;
        };
    }

    static double real(Value value) {
        if (value instanceof Real number) {
            return number.value();
        }
        double converted = whole(value).doubleValue();
        if (Double.isInfinite(converted)) {
            throw new TemplateFailure("int too large to convert to float");
        }
        return converted;
    }

    /** An int or bool that fits an int, as sizes and positions must. */
    static int index(Value value, String what) {
        BigInteger number = whole(value);
        if (number == null) {
            throw new TemplateFailure(what + " must be an integer, not " + Types.name(value));
        }
        return saturated(number);
    }

    /** The nearest int. */
    static int saturated(BigInteger number) {
        if (number.bitLength() < 32) {
            return number.intValue();
        }
        return number.signum() < 0 ? -Integer.MAX_VALUE : Integer.MAX_VALUE;
    }

    static Int of(BigInteger value) {
        if (value.bitLength() > BITS_MAX) {
            throw new TemplateFailure("a number of " + value.bitLength() + " bits; the limit is " + BITS_MAX);
        }
        return value.bitLength() < 63 ? Int.of(value.longValue()) : new Int(value);
    }

    static boolean sameNumber(Object left, Object right) {
        if (left instanceof Real a && right instanceof Real b) {
            return a.value() == b.value();
        }
        BigInteger a = whole(left);
        BigInteger b = right == null ? null : whole(right);
        if (a != null && b != null) {
            return a.equals(b);
        }
        if (a != null && right instanceof Real real) {
            return compareMixed(a, real.value()) == 0;
        }
        return b != null && left instanceof Real real && compareMixed(b, real.value()) == 0;
    }

    /** Equal to the hash of an equal int. */
    static int hash(double value) {
        if (value == Math.rint(value) && !Double.isInfinite(value)) {
            return new BigDecimal(value).toBigInteger().hashCode();
        }
        return Double.hashCode(value);
    }

    /** -1, 0, 1, or 2 if one is not a number. */
    static int compare(Value left, Value right) {
        BigInteger a = whole(left);
        BigInteger b = whole(right);
        if (a != null && b != null) {
            return a.compareTo(b);
        }
        if (a != null) {
            return compareMixed(a, ((Real) right).value());
        }
        if (b != null) {
            int reversed = compareMixed(b, ((Real) left).value());
            return reversed == 2 ? 2 : -reversed;
        }
        double x = ((Real) left).value();
        double y = ((Real) right).value();
        return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    }

    private static int compareMixed(BigInteger a, double b) {
        if (Double.isNaN(b)) {
            return 2;
        }
        if (Double.isInfinite(b)) {
            return b > 0 ? -1 : 1;
        }
        return new BigDecimal(a).compareTo(new BigDecimal(b));
    }

    static Value negate(Value value) {
        return value instanceof Real number
                ? new Real(-number.value())
                : of(whole(value).negate());
    }

    static Value apply(BinaryOperator operator, Value left, Value right) {
        BigInteger a = whole(left);
        BigInteger b = whole(right);
        if (a == null || b == null) {
            return applyReal(operator, real(left), real(right));
        }
        return switch (operator) {
            case ADD -> of(a.add(b));
            case SUBTRACT -> of(a.subtract(b));
            case MULTIPLY -> of(a.multiply(b));
            case DIVIDE -> {
                requireNotZero(b.signum() == 0);
                yield new Real(divide(a, b));
            }
            case FLOOR_DIVIDE -> {
                requireNotZero(b.signum() == 0);
                BigInteger[] parts = a.divideAndRemainder(b);
                boolean down = parts[1].signum() != 0 && parts[1].signum() != b.signum();
                yield of(down ? parts[0].subtract(BigInteger.ONE) : parts[0]);
            }
            case MODULO -> {
                requireNotZero(b.signum() == 0);
                BigInteger rest = a.remainder(b);
                yield of(rest.signum() != 0 && rest.signum() != b.signum() ? rest.add(b) : rest);
            }
            case POWER -> power(a, b);
        };
    }

    private static double divide(BigInteger a, BigInteger b) {
        if (a.bitLength() <= 53 && b.bitLength() <= 53) {
            return a.doubleValue() / b.doubleValue();
        }
        double result = new BigDecimal(a)
                .divide(new BigDecimal(b), java.math.MathContext.DECIMAL128)
                .doubleValue();
        if (Double.isInfinite(result)) {
            throw new TemplateFailure("integer division result too large for a float");
        }
        return result;
    }

    private static Value power(BigInteger a, BigInteger b) {
        if (b.signum() < 0) {
            requireNotZero(a.signum() == 0);
            return new Real(Math.pow(a.doubleValue(), b.doubleValue()));
        }
        if (a.abs().compareTo(BigInteger.ONE) > 0
                && (b.bitLength() > 31 || (long) (a.bitLength() - 1) * b.intValue() > BITS_MAX)) {
            throw new TemplateFailure("a power of more than " + BITS_MAX + " bits");
        }
        if (b.bitLength() > 31) {
            return a.signum() < 0 && !b.testBit(0) ? Int.of(1) : of(a);
        }
        return of(a.pow(b.intValue()));
    }

    private static Value applyReal(BinaryOperator operator, double a, double b) {
        return switch (operator) {
            case ADD -> new Real(a + b);
            case SUBTRACT -> new Real(a - b);
            case MULTIPLY -> new Real(a * b);
            case DIVIDE -> {
                requireNotZero(b == 0);
                yield new Real(a / b);
            }
            case FLOOR_DIVIDE -> {
                requireNotZero(b == 0);
                yield new Real(floorDivide(a, b));
            }
            case MODULO -> {
                requireNotZero(b == 0);
                yield new Real(modulo(a, b));
            }
            case POWER -> {
                requireNotZero(a == 0 && b < 0);
                double result = Math.pow(a, b);
                if (Double.isNaN(result) && !Double.isNaN(a) && !Double.isNaN(b)) {
                    throw new TemplateFailure("a power of a negative number that is not real");
                }
                if (Double.isInfinite(result) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
                    throw new TemplateFailure("a power too large for a float");
                }
                yield new Real(result);
            }
        };
    }

    /** CPython's float_divmod: the remainder has the divisor's sign and the quotient is what is left, rounded. */
    private static double floorDivide(double a, double b) {
        double rest = a % b;
        double quotient = (a - rest) / b;
        if (rest != 0 && (b < 0) != (rest < 0)) {
            quotient -= 1;
        }
        if (quotient == 0) {
            return Math.copySign(0.0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double modulo(double a, double b) {
        double rest = a % b;
        if (rest == 0) {
            return Math.copySign(0.0, b);
        }
        return (b < 0) != (rest < 0) ? rest + b : rest;
    }

    private static void requireNotZero(boolean zero) {
        if (zero) {
            throw new TemplateFailure("division by zero");
        }
    }
}
