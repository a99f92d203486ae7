package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ImportTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.PackageTree;
import com.sun.source.tree.ReturnTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.lang.model.element.Modifier;
import org.junit.jupiter.api.Test;

/** How the code reads, as far as a machine can tell. Every finding names file and line. */
class StyleTest {
    private static final int FILE_LINES_MAX = 500;
    private static final int METHOD_LINES_MAX = 70;
    private static final int PACKAGE_INFO_LINES_MAX = 15;
    private static final Path MAIN = Path.of("src/main/java");
    private static final Path TEST = Path.of("src/test/java");
    private static final Path CUDA = Path.of("src/main/cuda");

    private static final Pattern BANNED_NAME = Pattern.compile(
            "(Manager|Impl|Utils?|Helpers?|Handlers?|Processors?)(?![a-z])|(Pair|Tuple)$|^Abstract(?![a-z])");

    /** A superclass is named for what its kinds have in common; {@code BaseModelCatalog} is the catalog of the base model. */
    private static final Pattern BANNED_ABSTRACT_NAME = Pattern.compile("^Base(?![a-z])");

    /** Split so that this file does not find itself. */
    private static final Pattern UNFINISHED =
            Pattern.compile("\\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b|\\bfor no" + "w\\b|\\bsimpli" + "fied\\b");

    private static final Pattern MACHINE_PATH =
            Pattern.compile("(?<![\\w./-])/(wo" + "rk|ro" + "ot|ho" + "me)/[A-Za-z]{2}");

    private static final List<SourceFile> MAIN_FILES = SourceFile.below(MAIN);
    private static final List<SourceFile> TEST_FILES = SourceFile.below(TEST);

    private static Stream<SourceFile> allFiles() {
        return Stream.concat(MAIN_FILES.stream(), TEST_FILES.stream());
    }

    @Test
    void arrowsBetweenPackagesGoDownOnly() {
        ImportTable table = new ImportTable();
        Set<String> findings = new TreeSet<>();
        for (SourceFile file : MAIN_FILES) {
            file.scan(new QualifiedNames((at, name) -> table.refusal(file.packageName(), name)
                    .ifPresent(why -> findings.add(file.report(file.firstLine(at), why)))));
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void theTableRefusesAnArrowThatGoesUp() {
        ImportTable table = new ImportTable();
        assertThat(table.refusal("dev.nightshift.tensor", "dev.nightshift.engine.EngineLoop"))
                .isPresent();
        assertThat(table.refusal("dev.nightshift.engine", "io.vertx.core.Vertx"))
                .isPresent();
        assertThat(table.refusal("dev.nightshift.api.http", "dev.nightshift.engine.EngineLoop"))
                .isPresent();
        assertThat(table.refusal("dev.nightshift.elsewhere", "java.util.List")).isPresent();
        assertThat(table.refusal("dev.nightshift.api.http", "dev.nightshift.engine.SamplingParameters"))
                .isEmpty();
        assertThat(table.refusal("dev.nightshift.tensor.cpu", "dev.nightshift.quant.CodeBook"))
                .isEmpty();
    }

    @Test
    void everyPackageSaysWhatItIsFor() {
        Set<String> described = new TreeSet<>();
        List<String> findings = new ArrayList<>();
        for (SourceFile file : MAIN_FILES) {
            if (file.isPackageInfo()) {
                described.add(file.packageName());
                if (file.lines().size() > PACKAGE_INFO_LINES_MAX) {
                    findings.add(file.report(
                            file.lines().size(),
                            file.lines().size() + " lines, the limit is " + PACKAGE_INFO_LINES_MAX));
                }
            }
        }
        for (SourceFile file : MAIN_FILES) {
            if (described.add(file.packageName())) {
                findings.add(file.report(1, "package " + file.packageName() + " has no package-info.java"));
            }
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void filesAreShort() throws IOException {
        List<String> findings = new ArrayList<>();
        for (Path path : filesOf("java", "cu", "cuh", "proto")) {
            long lines;
            try (Stream<String> read = Files.lines(path)) {
                lines = read.count();
            }
            if (lines > FILE_LINES_MAX) {
                findings.add(path + ":" + lines + " " + lines + " lines, the limit is " + FILE_LINES_MAX);
            }
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void methodsFitAScreen() {
        List<String> findings = new ArrayList<>();
        allFiles()
                .forEach(file -> file.scan(new TreePathScanner<>() {
                    @Override
                    public Void visitMethod(MethodTree method, Void unused) {
                        int lines = file.lastLine(getCurrentPath()) - firstLineOfSignature(method) + 1;
                        if (lines > METHOD_LINES_MAX) {
                            findings.add(file.report(
                                    file.firstLine(getCurrentPath()),
                                    "%s has %d lines, the limit is %d"
                                            .formatted(method.getName(), lines, METHOD_LINES_MAX)));
                        }
                        return super.visitMethod(method, unused);
                    }

                    /** Annotations may hold a test's whole table of cases. */
                    private int firstLineOfSignature(MethodTree method) {
                        Tree first = method.getReturnType() == null ? method.getBody() : method.getReturnType();
                        return first == null
                                ? file.firstLine(getCurrentPath())
                                : file.firstLine(new TreePath(getCurrentPath(), first));
                    }
                }));
        assertThat(findings).isEmpty();
    }

    @Test
    void classNamesAreNounsOfTheField() {
        List<String> findings = new ArrayList<>();
        allFiles()
                .forEach(file -> file.scan(new TreePathScanner<>() {
                    @Override
                    public Void visitClass(ClassTree type, Void unused) {
                        boolean isAbstract = type.getModifiers().getFlags().contains(Modifier.ABSTRACT);
                        if (BANNED_NAME.matcher(type.getSimpleName()).find()
                                || (isAbstract
                                        && BANNED_ABSTRACT_NAME
                                                .matcher(type.getSimpleName())
                                                .find())) {
                            findings.add(file.report(
                                    file.firstLine(getCurrentPath()),
                                    type.getSimpleName() + " says nothing about what it is"));
                        }
                        return super.visitClass(type, unused);
                    }
                }));
        assertThat(findings).isEmpty();
    }

    @Test
    void mainCodeWritesToItsLogOnly() {
        Set<String> findings = new TreeSet<>();
        for (SourceFile file : MAIN_FILES) {
            file.scan(new QualifiedNames((at, name) -> {
                if (name.equals("System.out") || name.equals("System.err") || name.endsWith(".printStackTrace")) {
                    findings.add(file.report(file.firstLine(at), name));
                }
            }));
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void publicTypesAndMethodsCarryADocComment() {
        List<String> findings = new ArrayList<>();
        for (SourceFile file : MAIN_FILES) {
            file.scan(new Undocumented(file, findings));
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void nothingIsLeftUnfinished() throws IOException {
        assertThat(linesMatching(UNFINISHED, filesOf("java", "cu", "cuh", "proto", "sql", "js")))
                .isEmpty();
    }

    @Test
    void noPathOfAMachineIsWrittenDown() throws IOException {
        List<Path> texts = new ArrayList<>(filesOf(
                "java",
                "cu",
                "cuh",
                "proto",
                "sql",
                "js",
                "html",
                "properties",
                "yaml",
                "yml",
                "py",
                "mjs",
                "md",
                "json"));
        Stream.of("Makefile", "README.md", "pom.xml", ".ci/run").map(Path::of).forEach(texts::add);
        assertThat(linesMatching(MACHINE_PATH, texts)).isEmpty();
    }

    @Test
    void everyKernelFileIsNamedInATest() throws IOException {
        List<String> findings = new ArrayList<>();
        for (Path kernel : SourceFile.filesBelow(CUDA, ".cu")) {
            String name = kernel.getFileName().toString().replace(".cu", "");
            boolean named =
                    TEST_FILES.stream().anyMatch(file -> file.lines().stream().anyMatch(line -> line.contains(name)));
            if (!named) {
                findings.add(kernel + ":1 no test names " + name);
            }
        }
        assertThat(findings).isEmpty();
    }

    /** The project's own text files with one of these endings; other people's and generated ones are left out. */
    private static List<Path> filesOf(String... endings) {
        String[] dotted = Stream.of(endings).map(e -> "." + e).toArray(String[]::new);
        return Stream.of("src/main", "src/test/java", "src/test/clients", "proto", "docs", "deploy", "loadtest")
                .flatMap(folder -> SourceFile.filesBelow(Path.of(folder), dotted).stream())
                .toList();
    }

    private static List<String> linesMatching(Pattern pattern, List<Path> files) throws IOException {
        List<String> findings = new ArrayList<>();
        for (Path file : files) {
            if (!Files.exists(file)) {
                continue;
            }
            int number = 0;
            for (String line : new String(Files.readAllBytes(file), StandardCharsets.UTF_8).split("\n", -1)) {
                number++;
                if (pattern.matcher(line).find()) {
                    findings.add(file + ":" + number + " " + line.strip());
                }
            }
        }
        return findings;
    }

    /** Every dotted name of a file outside its package line, the longest form of each. */
    private static final class QualifiedNames extends TreePathScanner<Void, Void> {
        private final BiConsumer<TreePath, String> found;

        QualifiedNames(BiConsumer<TreePath, String> found) {
            this.found = found;
        }

        @Override
        public Void visitCompilationUnit(CompilationUnitTree unit, Void unused) {
            scan(unit.getImports(), unused);
            return scan(unit.getTypeDecls(), unused);
        }

        @Override
        public Void visitPackage(PackageTree at, Void unused) {
            return null;
        }

        @Override
        public Void visitImport(ImportTree at, Void unused) {
            found.accept(getCurrentPath(), at.getQualifiedIdentifier().toString());
            return null;
        }

        @Override
        public Void visitMemberSelect(MemberSelectTree select, Void unused) {
            String name = select.toString();
            if (!name.contains("\n")) {
                found.accept(getCurrentPath(), name);
            }
            return super.visitMemberSelect(select, unused);
        }
    }

    /** Collects what is visible outside its package and has no doc comment. */
    private static final class Undocumented extends TreePathScanner<Void, Void> {
        private final SourceFile file;
        private final List<String> findings;

        Undocumented(SourceFile file, List<String> findings) {
            this.file = file;
            this.findings = findings;
        }

        @Override
        public Void visitClass(ClassTree type, Void unused) {
            boolean written = type.getModifiers().getFlags().contains(Modifier.PUBLIC);
            if (written && !file.hasDocComment(getCurrentPath())) {
                report("public type " + type.getSimpleName());
            }
            // members of a type that others can't see need no comment for them
            return written || insideInterface() ? super.visitClass(type, unused) : null;
        }

        @Override
        public Void visitMethod(MethodTree method, Void unused) {
            Set<Modifier> flags = method.getModifiers().getFlags();
            boolean visible =
                    flags.contains(Modifier.PUBLIC) || (insideInterface() && !flags.contains(Modifier.PRIVATE));
            boolean constructor = method.getReturnType() == null;
            if (visible && !constructor && !isOverride(method) && !isAccessor(method)) {
                if (!file.hasDocComment(getCurrentPath())) {
                    report("public method " + method.getName());
                }
            }
            return null;
        }

        private boolean insideInterface() {
            return getCurrentPath().getParentPath().getLeaf().getKind() == Tree.Kind.INTERFACE;
        }

        private static boolean isOverride(MethodTree method) {
            return method.getModifiers().getAnnotations().stream()
                    .anyMatch(a -> a.getAnnotationType().toString().equals("Override"));
        }

        /** One line that returns something says what it does as well as a sentence could. */
        private boolean isAccessor(MethodTree method) {
            if (method.getBody() == null || method.getBody().getStatements().size() != 1) {
                return false;
            }
            TreePath only = new TreePath(
                    getCurrentPath(), method.getBody().getStatements().getFirst());
            return only.getLeaf() instanceof ReturnTree && file.firstLine(only) == file.lastLine(only);
        }

        private void report(String what) {
            findings.add(file.report(file.firstLine(getCurrentPath()), what + " has no doc comment"));
        }
    }
}
