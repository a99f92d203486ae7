package dev.nightshift.template;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.RenderedPrompt.Span;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * A model's chat template, compiled: renders conversations as transformers' {@code apply_chat_template} does, in the same
 * sandbox, and within limits. Immutable and thread-safe; a rendering never waits.
 */
public final class ChatTemplate {
    private static final Set<String> OWN_ARGUMENTS = Set.of("messages", "tools", "documents");

    private final String source;
    private final TemplateParser.Parsed parsed;
    private final Map<String, String> variables;
    private final Clock clock;
    private final TemplateLimits limits;
    private final TemplateTraits traits;

    private ChatTemplate(
            String source,
            TemplateParser.Parsed parsed,
            Map<String, String> variables,
            Clock clock,
            TemplateLimits limits) {
        this.source = source;
        this.parsed = parsed;
        this.variables = variables;
        this.clock = clock;
        this.limits = limits;
        this.traits = new TemplateTraits(this, parsed.names());
    }

    /**
     * Compiles a template.
     *
     * @param variables special tokens by their names in templates ({@code bos_token}, ...); what is absent is undefined
     * @throws ServingException INVALID_REQUEST where the template has a mistake, naming the line
     */
    public static ChatTemplate compile(String source, Map<String, String> variables) {
        Objects.requireNonNull(source, "source is null");
        try {
            return new ChatTemplate(
                    source,
                    TemplateParser.parse(source),
                    Map.copyOf(variables),
                    Clock.systemDefaultZone(),
                    TemplateLimits.DEFAULT);
        } catch (TemplateFailure failure) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "chat template: " + failure.getMessage(), failure);
        }
    }

    /** The same template, whose {@code strftime_now} reads this clock. */
    public ChatTemplate withClock(Clock other) {
        return new ChatTemplate(source, parsed, variables, other, limits);
    }

    /** The same template with other limits. */
    public ChatTemplate withLimits(TemplateLimits other) {
        return new ChatTemplate(source, parsed, variables, clock, other);
    }

    /** The template's text. */
    public String source() {
        return source;
    }

    /**
     * Renders a conversation.
     *
     * @throws ServingException INVALID_REQUEST: the template's own {@code raise_exception} with its message as it is, or what
     *     went wrong in the template, with its line
     */
    public RenderedPrompt render(ChatPrompt prompt) {
        Budget budget = new Budget(limits);
        Evaluator evaluator = new Evaluator(budget);
        try {
            return render(prompt, evaluator);
        } catch (TemplateFailure failure) {
            String message = failure.raised()
                    ? failure.getMessage()
                    : "chat template: line " + evaluator.line() + ": " + failure.getMessage();
            throw new ServingException(ErrorCode.INVALID_REQUEST, message, failure);
        }
    }

    private RenderedPrompt render(ChatPrompt prompt, Evaluator evaluator) {
        if (prompt.messages().isEmpty()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "messages is empty: a chat needs at least one message");
        }
        if (prompt.continueFinalMessage() && prompt.addGenerationPrompt()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "continue_final_message and add_generation_prompt are both true; only one can be");
        }
        List<Map<String, Object>> messages = new ArrayList<>();
        for (Map<String, Object> message : prompt.messages()) {
            messages.add(Inputs.message(message));
        }
        FinalMessage last = prompt.continueFinalMessage() ? FinalMessage.mark(messages, source) : null;
        Interpreter interpreter = new Interpreter(evaluator, variables(prompt, messages, evaluator));
        Text text = interpreter.run(parsed.body());
        return prompt(last == null ? text : last.cut(text));
    }

    private Scope variables(ChatPrompt prompt, List<Map<String, Object>> messages, Evaluator evaluator) {
        Scope scope = new Scope(Globals.scope(evaluator, clock));
        Inputs inputs = new Inputs(evaluator.budget());
        scope.set("add_generation_prompt", Value.Bool.of(prompt.addGenerationPrompt()));
        variables.forEach((name, value) -> scope.set(name, Text.trusted(value)));
        if (prompt.templateArguments() != null) {
            prompt.templateArguments().forEach((name, value) -> {
                if (OWN_ARGUMENTS.contains(name)) {
                    throw new ServingException(
                            ErrorCode.INVALID_REQUEST,
                            "chat_template_kwargs cannot set '" + name + "'; the request has a field for it");
                }
                scope.set(name, inputs.value(value));
            });
        }
        scope.set("messages", inputs.value(messages));
        scope.set("tools", inputs.value(prompt.tools()));
        scope.set("documents", inputs.value(prompt.documents()));
        return scope;
    }

    private static RenderedPrompt prompt(Text text) {
        return new RenderedPrompt(text.string(), spans(text, Text.UNTRUSTED), spans(text, Text.GENERATED));
    }

    private static List<Span> spans(Text text, int flag) {
        List<Span> spans = new ArrayList<>();
        int start = 0;
        for (int run = 0; run < text.runCount(); run++) {
            int end = text.runEnd(run);
            if ((text.runFlags(run) & flag) != 0) {
                if (!spans.isEmpty() && spans.getLast().to() == start) {
                    spans.set(spans.size() - 1, new Span(spans.getLast().from(), end));
                } else {
                    spans.add(new Span(start, end));
                }
            }
            start = end;
        }
        return spans;
    }

    /**
     * Whether a user's message may be a list of content parts; found by a trial rendering, once.
     *
     * @see #acceptsContentParts(String)
     */
    public boolean acceptsContentParts() {
        return acceptsContentParts("user");
    }

    /**
     * Whether messages of this role may have a list of text parts as content: such a list of one part renders as the part's text
     * would, and one of two has both. Templates often take them for some roles only.
     *
     * @param role system, user, assistant or tool
     */
    public boolean acceptsContentParts(String role) {
        return traits.acceptsContentParts(role);
    }

    /** Whether tools that are offered get into the prompt. */
    public boolean supportsTools() {
        return traits.supportsTools();
    }

    /** Whether {@code enable_thinking} or {@code thinking} among the template arguments changes the prompt. */
    public boolean supportsThinkingSwitch() {
        return traits.supportsThinkingSwitch();
    }
}
