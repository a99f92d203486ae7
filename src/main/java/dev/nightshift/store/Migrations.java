package dev.nightshift.store;

import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.flywaydb.core.api.ResourceProvider;
import org.flywaydb.core.api.resource.LoadableResource;

/**
 * The migrations by name: looking for them in the class path would depend on how the program is packaged. A new file in
 * {@code db/migration} gets its line here.
 */
final class Migrations implements ResourceProvider {
    static final List<String> FILES = List.of("V001__files.sql", "V002__tuning.sql");

    private static final String FOLDER = "db/migration/";

    @Override
    public LoadableResource getResource(String name) {
        return FILES.stream()
                .filter(file -> name.equals(file) || name.endsWith("/" + file))
                .findFirst()
                .map(Script::new)
                .orElse(null);
    }

    @Override
    public Collection<LoadableResource> getResources(String prefix, String[] suffixes) {
        List<LoadableResource> found = new ArrayList<>();
        for (String file : FILES) {
            for (String suffix : suffixes) {
                if (file.startsWith(prefix) && file.endsWith(suffix)) {
                    found.add(new Script(file));
                }
            }
        }
        return found;
    }

    private static final class Script extends LoadableResource {
        private final String file;

        Script(String file) {
            this.file = file;
        }

        @Override
        public Reader read() {
            try (InputStream in = Migrations.class.getClassLoader().getResourceAsStream(FOLDER + file)) {
                if (in == null) {
                    throw new IllegalStateException("the resource " + FOLDER + file + " is missing");
                }
                return new StringReader(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public String getAbsolutePath() {
            return FOLDER + file;
        }

        @Override
        public String getAbsolutePathOnDisk() {
            return FOLDER + file;
        }

        @Override
        public String getFilename() {
            return file;
        }

        @Override
        public String getRelativePath() {
            return file;
        }
    }
}
