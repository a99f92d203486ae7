package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression from an adapter's configuration. It is a stranger's: its length is bounded, and what all expressions of one
 * adapter may look at together, so that a nested repetition can't hold a thread.
 */
final class ModulePattern {
    private static final int LENGTH_MAX = 4096;

    /** Characters looked at; three times what a pattern for each module of a large model costs. */
    static final long LOOKS_MAX = 200_000_000;

    private final String key;
    private final Pattern pattern;
    private final Looks looks;

    /** What is left for all expressions of one configuration. One thread at a time. */
    static final class Looks {
        private long left = LOOKS_MAX;
    }

    private ModulePattern(String key, Pattern pattern, Looks looks) {
        this.key = key;
        this.pattern = pattern;
        this.looks = looks;
    }

    /** One that a whole name has to match. */
    static ModulePattern whole(String key, String expression, Looks looks) {
        return new ModulePattern(key, compiled(key, expression), looks);
    }

    /** One that the last parts of a name have to match, as PEFT has it for ranks and alphas. */
    static ModulePattern ending(String key, String expression, Looks looks) {
        compiled(key, expression); // by itself, as brackets that close others would change the meaning
        return new ModulePattern(key, Pattern.compile("(.*\\.)?(" + expression + ")"), looks);
    }

    private static Pattern compiled(String key, String expression) {
        if (expression.length() > LENGTH_MAX) {
            throw bad("%s has an expression of %d characters, at most %d"
                    .formatted(key, expression.length(), LENGTH_MAX));
        }
        try {
            return Pattern.compile(expression);
        } catch (PatternSyntaxException e) {
            throw bad("%s '%s' is no regular expression: %s".formatted(key, expression, e.getDescription()));
        } catch (StackOverflowError e) {
            throw bad("%s has an expression that is nested too deeply".formatted(key));
        }
    }

    private static ServingException bad(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, "adapter_config.json: " + what);
    }

    boolean matches(String module) {
        try {
            return pattern.matcher(new Name(module, 0, module.length())).matches();
        } catch (StackOverflowError e) {
            throw bad("%s '%s' is nested too deeply".formatted(key, pattern));
        }
    }

    /** Counts what is looked at. */
    private final class Name implements CharSequence {
        private final String text;
        private final int from;
        private final int to;

        Name(String text, int from, int to) {
            this.text = text;
            this.from = from;
            this.to = to;
        }

        @Override
        public int length() {
            return to - from;
        }

        @Override
        public char charAt(int index) {
            if (--looks.left < 0) {
                throw bad("%s '%s' takes more than %,d steps to match".formatted(key, pattern, LOOKS_MAX));
            }
            return text.charAt(from + index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Name(text, from + start, from + end);
        }

        @Override
        public String toString() {
            return text.substring(from, to);
        }
    }
}
