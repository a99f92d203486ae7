package dev.nightshift.template;

/** Why a template could not be compiled or rendered; leaves the package as a ServingException. */
final class TemplateFailure extends RuntimeException {
    private final boolean raised;

    TemplateFailure(String message) {
        this(message, false);
    }

    private TemplateFailure(String message, boolean raised) {
        super(message);
        this.raised = raised;
    }

    /** The template's own {@code raise_exception}. */
    static TemplateFailure raised(String message) {
        return new TemplateFailure(message, true);
    }

    /** A mistake in the template's text. */
    static TemplateFailure syntax(int line, String message) {
        return new TemplateFailure("line " + line + ": " + message, false);
    }

    boolean raised() {
        return raised;
    }
}
