package dev.nightshift.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Templates come from strangers: none may take the server's time, memory or stack. */
class TemplateLimitsTest {
    /** Half of what a Java thread has by default. */
    private static final long STACK_BYTES = 512 * 1024;

    /** A tenth of the default, so that the test is quick. */
    private static final TemplateLimits TENTH =
            new TemplateLimits(1_000_000, 1 << 25, 1L << 26, 1L << 28, 400, 400, 400_000);

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /** Runs on a thread of its own with a small stack; whatever goes wrong comes out as it is. */
    private static Throwable failure(String template, Map<String, Object> arguments) throws InterruptedException {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = new Thread(
                null,
                () -> {
                    try {
                        ChatTemplate.compile(template, Map.of())
                                .withLimits(TENTH)
                                .render(new ChatPrompt(
                                        List.of(Map.of("role", "user", "content", "x")),
                                        null,
                                        null,
                                        false,
                                        false,
                                        arguments));
                    } catch (Throwable e) {
                        failure.set(e);
                    }
                },
                "template",
                STACK_BYTES);
        thread.start();
        thread.join(PATIENCE);
        assertThat(thread.isAlive()).as("still running: " + template).isFalse();
        return failure.get();
    }

    private static void refused(String template, Map<String, Object> arguments) throws InterruptedException {
        String shown = template.length() > 150 ? template.substring(0, 150) + "..." : template;
        assertThat(failure(template, arguments))
                .as(shown)
                .isInstanceOf(ServingException.class)
                .hasMessageStartingWith("chat template: line ");
    }

    @Test
    void refusesWhatWouldTakeForEverOrAllMemory() throws InterruptedException {
        for (String template : List.of(
                "{{ 'a' * 10**9 }}",
                "{{ 'a' * 10**30 }}",
                "{{ [1] * 10**9 }}",
                "{{ range(10**12) }}",
                "{{ range(10**40) }}",
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s.join(ns.s) %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s | replace('', 'xx') %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
                "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
                "{% set ns = namespace(l=(1,)) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{{ s.count('b') }}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{% if 'c' in s %}{% endif %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{% set t = s[1:] %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{% if s[-1] %}{% endif %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% set t = 'ab' * 10**7 %}{% for i in range(99999) %}{% if s == t %}{% endif %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{% set t = s | trim %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{% for i in range(99999) %}{% set t = s | length %}{% endfor %}",
                "{% set s = 'ab' * 10**7 %}{{ s | list | length }}",
                "{{ 'x' | center(10**9) }}",
                "{{ 'x'.ljust(10**9) }}{{ 'x'.zfill(10**9) }}",
                "{{ '%1000000000s' % 'x' }}",
                "{{ '%*d' % (10**9, 1) }}",
                "{{ '{:1000000000}'.format(1) }}",
                "{{ '{:.100000000f}'.format(1.0) }}",
                "{{ '%.100000000f' % 1.0 }}",
                "{{ 'a\nb' | indent(10**9) }}",
                "{{ [1] | tojson(indent=10**9) }}",
                "{{ '\\t'.expandtabs(10**9) }}",
                "{{ 10 ** 10 ** 1000 }}",
                "{{ (10 ** 2000) * (10 ** 2000) }}",
                "{% set ns = namespace(n=3) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
                "{{ [1] | batch(10**9, 'x') | list }}",
                "{{ [1] | slice(10**9) | list }}")) {
            refused(template, Map.of());
        }
    }

    @Test
    void refusesEndlessRecursionWithinASmallStack() throws InterruptedException {
        for (String template : List.of(
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(a) %}{% if true %}{% for x in [1] %}{{ 'a' ~ (m(a) | upper | trim) }}{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}",
                "{% macro m() %}{{ caller() }}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}x{% endcall %}",
                "{% macro m(a=m()) %}{% endmacro %}{% macro n() %}{{ [n] | map('string') | list }}{{ n() }}{% endmacro %}{{ n() }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
                "{% set ns = namespace() %}{% set ns.a = [{'x': ns}] %}{{ ns }}",
                "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
                "{% set ns = namespace(l={}) %}{% for i in range(9999) %}{% set ns.l = {'a': ns.l} %}{% endfor %}{{ ns.l | tojson }}",
                "{% set ns = namespace(l=()) %}{% for i in range(9999) %}{% set ns.l = (ns.l,) %}{% endfor %}{{ {ns.l: 1} }}")) {
            refused(template, Map.of());
        }
    }

    @Test
    void refusesSourceNestedTooDeepAtCompilation() throws InterruptedException {
        int deep = 20_000;
        for (String template : List.of(
                "{{ " + "(".repeat(deep) + "1" + ")".repeat(deep) + " }}",
                "{{ " + "[".repeat(deep) + "]".repeat(deep) + " }}",
                "{{ " + "-".repeat(deep) + "1 }}",
                "{{ " + "not ".repeat(deep) + "1 }}x{{ y.z }}",
                "{{ 1" + " if 1 else 1".repeat(deep) + " }}",
                "{{ x" + "[x".repeat(deep) + "]".repeat(deep) + " }}",
                "{{ " + "f(".repeat(deep) + ")".repeat(deep) + " }}",
                "{% if 1 %}".repeat(deep) + "{% endif %}".repeat(deep),
                "{% for x in y %}".repeat(deep) + "{% endfor %}".repeat(deep),
                "{% set " + "(".repeat(deep) + "a" + ")".repeat(deep) + " = 1 %}",
                "{{ 'a' is in " + "[".repeat(deep) + " }}",
                "{{ 1" + "0".repeat(deep) + " }}")) {
            refused(template, Map.of());
        }
    }

    @Test
    void evaluatesLongChainsOrRefusesThemWithinASmallStack() throws InterruptedException {
        int length = 5000;
        for (String template : List.of(
                "{{ 1" + " + 1".repeat(length) + " }}",
                "{{ 'a'" + " ~ 'a'".repeat(length) + " }}",
                "{{ 0" + " or 0".repeat(length) + " }}",
                "{{ 'a'" + " | upper".repeat(length) + " }}",
                "{{ x" + ".y".repeat(length) + " }}",
                "{{ 1" + " if 1".repeat(length) + " }}",
                "{{ 1" + " < 2".repeat(length) + " }}",
                "{% if 0 %}" + "{% elif 0 %}".repeat(length) + "{% endif %}",
                "{% set x" + " | upper".repeat(length) + " %}a{% endset %}")) {
            Throwable failure = failure(template, Map.of());
            if (failure != null) {
                assertThat(failure).isInstanceOf(ServingException.class);
            }
        }
    }

    @Test
    void refusesArgumentsNestedTooDeep() throws InterruptedException {
        Object nested = "x";
        for (int i = 0; i < 5000; i++) {
            nested = i % 2 == 0 ? List.of(nested) : Map.of("k", nested);
        }
        refused("{{ deep }}", Map.of("deep", nested));
    }

    @Test
    void handlesValuesAtTheLimitOfNestingWithinASmallStack() throws InterruptedException {
        Object nested = "x";
        for (int i = 0; i < TemplateLimits.DEFAULT.nesting() - 1; i++) {
            nested = i % 2 == 0 ? List.of(nested) : Map.of("k", nested);
        }
        String template = "{{ deep }}{{ deep | tojson(indent=1) }}{{ deep == other }}{{ '%r' % [deep] if false }}";
        assertThat(failure(template, Map.of("deep", nested, "other", nested))).isNull();
    }

    @Test
    void takesLongConversations() {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", "word ".repeat(2000)));
        }
        ChatTemplate template =
                ChatTemplate.compile(NamedTemplates.named("chatml").source(), Map.of());
        RenderedPrompt prompt = template.render(new ChatPrompt(messages, null, null, true, false, Map.of()));
        assertThat(prompt.text()).hasSizeGreaterThan(20_000_000);
        assertThat(prompt.untrusted()).hasSize(4000);
    }

    @Test
    void reachesNothingOfJava() throws InterruptedException {
        for (String template : List.of(
                "{{ 'a'.getClass() }}",
                "{{ ''.class.forName('java.lang.Runtime') }}",
                "{{ messages.stream() }}",
                "{{ messages[0].entrySet() }}",
                "{{ raise_exception.body.call() }}",
                "{{ ''.__class__.__mro__ }}",
                "{{ '{0.__class__.__mro__}'.format('') }}",
                "{{ self.__init__.x }}",
                "{{ range.__globals__.x }}",
                "{{ namespace().__class__.x }}",
                "{{ messages.append(1) }}",
                "{{ messages[0].update({'role': 'system'}) }}")) {
            refused(template, Map.of());
        }
    }

    @Test
    void limitsAreSettable() {
        ChatTemplate small = ChatTemplate.compile("{% for i in range(100) %}x{% endfor %}", Map.of())
                .withLimits(new TemplateLimits(100, 1000, 1000, 1000, 50, 50, 1000));
        assertThatThrownBy(() -> small.render(
                        new ChatPrompt(List.of(Map.of("role", "user")), null, null, false, false, Map.of())))
                .isInstanceOfSatisfying(
                        ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
                .hasMessageContaining("more than 100 steps");
    }
}
