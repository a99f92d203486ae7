package dev.nightshift.tensor.nd4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.net.URI;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What a start of backend nd4j says under class paths other than the test's own. */
class Nd4jBackendTest {

    private static boolean isNative(String entry) {
        return entry.contains("nd4j-native") && !entry.contains("nd4j-native-api") || entry.contains("openblas");
    }

    private static boolean isNd4j(String entry) {
        return entry.contains("nd4j") || entry.contains("bytedeco");
    }

    /** Of the test's own loader: a launcher may have put the tests on one of its own. */
    private static Stream<String> classPath() {
        return Nd4jBackendTest.class.getClassLoader() instanceof URLClassLoader loader
                ? Arrays.stream(loader.getURLs())
                        .map(url -> Path.of(URI.create(url.toString())).toString())
                : Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator));
    }

    private static String start(Predicate<String> isLeftOut) throws Exception {
        String classPath = classPath()
                // the class folders are named after the project, which may stand in a folder of any name
                .filter(entry -> !entry.endsWith(".jar") || !isLeftOut.test(entry))
                .collect(Collectors.joining(File.pathSeparator));
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        classPath,
                        Nd4jStart.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    @Test
    void refusesByNameWithoutNd4jOnTheClassPath() throws Exception {
        assertThat(start(Nd4jBackendTest::isNd4j))
                .contains(
                        "UNAVAILABLE: backend nd4j: ND4J is not in this build; build with -Pnd4j-native or -Pnd4j-cuda");
    }

    @Test
    void refusesByNameWhereNd4jHasNoBackendOfItsOwn() throws Exception {
        assumeTrue(!hasCuda(), "with -Pnd4j-cuda another backend stays");
        assertThat(start(Nd4jBackendTest::isNative)).contains("UNAVAILABLE: backend nd4j: ");
    }

    @Test
    void refusesByNameWithTheCudaBuildAndNoCard() throws Exception {
        assumeTrue(hasCuda(), "the CUDA build of ND4J is on the class path with -Pnd4j-cuda only");
        assumeTrue(!Path.of("/dev/nvidia0").toFile().exists(), "there is a card");
        assertThat(start(Nd4jBackendTest::isNative))
                .contains("UNAVAILABLE: backend nd4j: the CUDA build of ND4J 1.0.0-M2.1 finds no card it runs on");
    }

    private static boolean hasCuda() {
        return Nd4jBackendTest.class.getClassLoader().getResource("org/nd4j/linalg/jcublas/JCublasBackend.class")
                != null;
    }

    @Test
    void opensOnTheCpu() throws Exception {
        assumeTrue(!hasCuda(), "with -Pnd4j-cuda the card comes first");
        assertThat(start(entry -> false)).contains("open: ND4J 1.0.0-M2.1, CpuBackend");
    }
}
