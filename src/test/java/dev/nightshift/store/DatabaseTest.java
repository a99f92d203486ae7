package dev.nightshift.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatabaseTest {
    @TempDir
    Path folder;

    private static int count(Database database) {
        return database.read(handle -> handle.createQuery("select count(*) from upload_parts")
                .mapTo(Integer.class)
                .one());
    }

    private static void insert(Database database, String id) {
        database.run(handle -> {
            handle.execute(
                    "insert into uploads values (?, 'x.jsonl', 'fine-tune', 1, 'text/plain', now(), now(), null, 'pending', null)",
                    id);
            handle.execute("insert into upload_parts values (?, ?, 1, now())", id, id);
        });
    }

    @Test
    void whatWasChangedIsThereAfterReopening() {
        try (Database database = Database.open(folder)) {
            insert(database, "a");
        }
        try (Database database = Database.open(folder)) {
            assertThat(count(database)).isEqualTo(1);
        }
    }

    @Test
    void aChangeThatFailsLeavesNothing() {
        try (Database database = Database.open(folder)) {
            insert(database, "before");
            assertThatThrownBy(() -> database.run(handle -> {
                        handle.execute(
                                "insert into uploads values ('b', 'x', 'batch', 1, '', now(), now(), null, 'pending', null)");
                        throw new IllegalStateException("on purpose");
                    }))
                    .hasMessage("on purpose");
            assertThat(database.<Integer>read(handle -> handle.createQuery("select count(*) from uploads")
                            .mapTo(Integer.class)
                            .one()))
                    .isEqualTo(1);
        }
    }

    @Test
    void everyMigrationIsListed() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("src/main/resources/db/migration"))) {
            assertThat(files.map(file -> file.getFileName().toString()).sorted())
                    .isEqualTo(Migrations.FILES.stream().sorted().toList());
        }
    }
}
