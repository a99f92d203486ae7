package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithParentName;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What README says about the project, as far as a machine can tell. */
class ReadmeTest {
    private static final Path README = Path.of("README.md");

    @Test
    void everySettingStandsInTheTableAndNoOtherOne() throws Exception {
        List<String> settings = new ArrayList<>();
        for (Path path : SourceFile.filesBelow(Path.of("src/main/java/dev/nightshift"), "Settings.java")) {
            Class<?> type = Class.forName(path.toString()
                    .replace("src/main/java/", "")
                    .replace(".java", "")
                    .replace('/', '.'));
            ConfigMapping mapping = type.getAnnotation(ConfigMapping.class);
            if (mapping != null) {
                collect(type, mapping.prefix(), settings);
            }
        }
        assertThat(settings).isNotEmpty();
        assertThat(matches("\\| `(nightshift\\.[a-z0-9.-]+)` \\|")).containsExactlyInAnyOrderElementsOf(settings);
    }

    private static void collect(Class<?> type, String prefix, List<String> settings) {
        for (Method method : type.getMethods()) {
            String name = method.isAnnotationPresent(WithParentName.class) ? prefix : prefix + "." + kebab(method);
            if (method.getReturnType().isInterface()
                    && method.getReturnType().getName().startsWith("dev.nightshift.")) {
                collect(method.getReturnType(), name, settings);
            } else {
                settings.add(name);
            }
        }
    }

    private static String kebab(Method method) {
        return method.getName().replaceAll("([a-z0-9])([A-Z])", "$1-$2").toLowerCase();
    }

    @Test
    void everyMakeTargetItNamesExists() throws IOException {
        String makefile = Files.readString(Path.of("Makefile"));
        assertThat(matches("`?make ([a-z-]+)"))
                .isNotEmpty()
                .allSatisfy(target -> assertThat(makefile).contains("\n" + target + ":"));
    }

    @Test
    void everyFileItLinksExists() throws IOException {
        assertThat(matches("\\]\\(([^)#:]+)\\)"))
                .isNotEmpty()
                .allSatisfy(link -> assertThat(Path.of(link)).exists());
    }

    private static List<String> matches(String pattern) throws IOException {
        List<String> found = new ArrayList<>();
        for (Matcher matcher = Pattern.compile(pattern).matcher(Files.readString(README)); matcher.find(); ) {
            found.add(matcher.group(1));
        }
        return found;
    }
}
