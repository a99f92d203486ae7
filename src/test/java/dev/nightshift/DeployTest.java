package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What deploy/ says about the server, without a container engine. */
class DeployTest {
    private static final Path DEPLOY = Path.of("deploy");

    @Test
    void theDashboardAsksForMetersThatExist() throws IOException {
        String dashboard = Files.readString(DEPLOY.resolve("grafana/nightshift.json"));
        new ObjectMapper().readTree(dashboard);
        StringBuilder sources = new StringBuilder();
        for (Path path : SourceFile.filesBelow(Path.of("src/main/java/dev/nightshift"), ".java")) {
            sources.append(Files.readString(path).replace("nightshift.", "nightshift_"));
        }
        Set<String> asked = found("(?:vllm:|nightshift_)[a-z_]+", dashboard);
        assertThat(asked).hasSizeGreaterThan(8);
        assertThat(asked).allSatisfy(name -> {
            // what Prometheus adds to a counter's, a timer's, a gauge's name
            String meter =
                    name.replaceAll("(_seconds)?(_bucket|_total|_bytes)?$", "").replaceFirst("^nightshift_", "");
            assertThat(sources.toString().replace('.', '_')).contains(meter);
        });
    }

    @Test
    void theContainersSetNoSettingThatTheServerLacks() throws IOException {
        String readme = Files.readString(Path.of("README.md"));
        for (String file :
                new String[] {"Dockerfile", "compose.yaml", "compose.cpu.yaml", "kubernetes/nightshift.yaml"}) {
            for (String variable : found("NIGHTSHIFT_[A-Z_]+", Files.readString(DEPLOY.resolve(file)))) {
                String setting = variable.toLowerCase().replaceFirst("_", ".").replace('_', '-');
                assertThat(readme).as(file + " sets " + variable).contains("`" + setting + "`");
            }
        }
    }

    @Test
    void probesAskForRoutesThatTheApiPageNames() throws IOException {
        String api = Files.readString(Path.of("docs/api.md"));
        String kubernetes = Files.readString(DEPLOY.resolve("kubernetes/nightshift.yaml"));
        assertThat(found("/health[a-z/]*", kubernetes))
                .hasSize(3)
                .allSatisfy(route -> assertThat(api).contains(route));
    }

    private static Set<String> found(String pattern, String text) {
        Set<String> found = new TreeSet<>();
        for (Matcher matcher = Pattern.compile(pattern).matcher(text); matcher.find(); ) {
            found.add(matcher.group());
        }
        return found;
    }
}
