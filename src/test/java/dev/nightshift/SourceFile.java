package dev.nightshift;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.ToolProvider;

/** A parsed Java file: its tree, its lines, and where in it something stands. Parsed by the JDK's own compiler. */
record SourceFile(Path path, List<String> lines, CompilationUnitTree tree, DocTrees docs) {

    /** Every Java file below a folder, in the order of their paths. */
    static List<SourceFile> below(Path folder) {
        List<Path> paths = filesBelow(folder, ".java");
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            var task = (JavacTask) compiler.getTask(
                    null, files, null, List.of("-proc:none"), null, files.getJavaFileObjectsFromPaths(paths));
            List<SourceFile> parsed = new ArrayList<>();
            for (CompilationUnitTree tree : task.parse()) {
                Path path = Path.of(tree.getSourceFile().getName());
                parsed.add(new SourceFile(path, Files.readAllLines(path), tree, DocTrees.instance(task)));
            }
            return parsed;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<Path> filesBelow(Path folder, String... endings) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> paths = Files.walk(folder)) {
            return paths.filter(
                            p -> Files.isRegularFile(p) && Stream.of(endings).anyMatch(p.toString()::endsWith))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String packageName() {
        return tree.getPackageName() == null ? "" : tree.getPackageName().toString();
    }

    boolean isPackageInfo() {
        return path.endsWith("package-info.java");
    }

    void scan(TreePathScanner<Void, Void> scanner) {
        scanner.scan(new TreePath(tree), null);
    }

    int firstLine(TreePath at) {
        return line(docs.getSourcePositions().getStartPosition(tree, at.getLeaf()));
    }

    int lastLine(TreePath at) {
        return line(docs.getSourcePositions().getEndPosition(tree, at.getLeaf()));
    }

    private int line(long position) {
        return (int) tree.getLineMap().getLineNumber(Math.max(0, position));
    }

    boolean hasDocComment(TreePath at) {
        return docs.getDocComment(at) != null;
    }

    /** {@code path:line message}, as compilers write it. */
    String report(int line, String message) {
        return path + ":" + line + " " + message;
    }
}
