package dev.nightshift.template;

/** Counts what one rendering uses against its limits. Owned by the rendering's thread. */
final class Budget {
    private final TemplateLimits limits;
    private long steps;
    private long produced;
    private long scanned;
    private int depth;

    Budget(TemplateLimits limits) {
        this.limits = limits;
    }

    TemplateLimits limits() {
        return limits;
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        steps += count;
        if (steps > limits.steps()) {
            throw new TemplateFailure("more than " + limits.steps() + " steps");
        }
    }

    /** Before a string of this many chars is made. */
    void produce(long chars) {
        if (chars > limits.textChars()) {
            throw new TemplateFailure("a string of " + chars + " characters; the limit is " + limits.textChars());
        }
        produced += chars;
        if (produced > limits.producedChars()) {
            throw new TemplateFailure("more than " + limits.producedChars() + " characters of text made");
        }
    }

    /** A string, list or number of this size is looked at. */
    void scan(long chars) {
        scanned += chars;
        if (scanned > limits.scannedChars()) {
            throw new TemplateFailure("more than " + limits.scannedChars() + " characters of text read");
        }
    }

    /** Before a list of this many items is made. */
    void items(long count) {
        if (count > limits.items()) {
            throw new TemplateFailure("a list of " + count + " items; the limit is " + limits.items());
        }
        steps(count);
    }

    void enter() {
        if (++depth > limits.depth()) {
            throw new TemplateFailure("nested deeper than " + limits.depth() + " levels");
        }
    }

    void leave() {
        depth--;
    }
}
