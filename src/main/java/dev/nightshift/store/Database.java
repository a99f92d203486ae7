package dev.nightshift.store;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.agroal.api.AgroalDataSource;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import io.agroal.api.security.NamePrincipal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Function;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.h2.Driver;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;

/**
 * The embedded database. With a write delay of 0, H2 hands a commit to the system before it returns, so that no kill of the
 * process loses it; the checkpoint behind a change also makes the disk write it.
 */
public final class Database implements AutoCloseable {
    /** The options make H2 read the SQL that PostgreSQL reads. */
    private static final String OPTIONS =
            ";MODE=PostgreSQL;DATABASE_TO_LOWER=TRUE;DEFAULT_NULL_ORDERING=HIGH;WRITE_DELAY=0";

    private static final int CONNECTIONS = 8;
    private static final Duration CONNECTION_WAIT = Duration.ofSeconds(30);

    private final AgroalDataSource pool;
    private final Jdbi jdbi;

    private Database(AgroalDataSource pool) {
        this.pool = pool;
        this.jdbi = Jdbi.create(pool);
    }

    /**
     * Opens the database of a folder, which is made if it is missing, and brings its schema up to date.
     *
     * @throws ServingException UNAVAILABLE where another process has it open, or the disk does not let us
     */
    public static Database open(Path folder) {
        AgroalDataSource pool = null;
        try {
            Files.createDirectories(folder);
            pool = pool("jdbc:h2:file:" + folder.toAbsolutePath().resolve("nightshift") + OPTIONS);
            pool.getConnection().close();
            Flyway.configure(Database.class.getClassLoader())
                    .dataSource(pool)
                    .resourceProvider(new Migrations())
                    .locations(new String[0])
                    .load()
                    .migrate();
            return new Database(pool);
        } catch (IOException | SQLException | FlywayException e) {
            if (pool != null) {
                pool.close();
            }
            String why =
                    e instanceof SQLException sql && sql.getErrorCode() == org.h2.api.ErrorCode.DATABASE_ALREADY_OPEN_1
                            ? "another process has it open"
                            : e.toString();
            throw new ServingException(
                    ErrorCode.UNAVAILABLE,
                    "the database in " + folder.toAbsolutePath() + " can't be opened: " + why,
                    e);
        }
    }

    private static AgroalDataSource pool(String url) throws SQLException {
        return AgroalDataSource.from(new AgroalDataSourceConfigurationSupplier()
                .metricsEnabled(false)
                .connectionPoolConfiguration(connections -> connections
                        .maxSize(CONNECTIONS)
                        .acquisitionTimeout(CONNECTION_WAIT)
                        .connectionFactoryConfiguration(factory -> factory.connectionProviderClass(Driver.class)
                                .jdbcUrl(url)
                                .principal(new NamePrincipal("nightshift")))));
    }

    /** Reads within one transaction. */
    public <R> R read(Function<Handle, R> query) {
        return jdbi.inTransaction(query::apply);
    }

    /** Changes rows within one transaction; what it changed is on the disk when this returns. */
    public <R> R change(Function<Handle, R> change) {
        R result;
        try {
            result = jdbi.inTransaction(change::apply);
            jdbi.useHandle(handle -> handle.execute("checkpoint sync"));
        } catch (JdbiException e) {
            throw full(e);
        }
        return result;
    }

    /** The same, for changes without a result. */
    public void run(Consumer<Handle> change) {
        change(handle -> {
            change.accept(handle);
            return null;
        });
    }

    private static RuntimeException full(JdbiException e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql
                    && String.valueOf(sql.getMessage()).contains("No space left")) {
                return new ServingException(ErrorCode.INSUFFICIENT_STORAGE, "the disk of nightshift.data is full", e);
            }
        }
        return e;
    }

    @Override
    public void close() {
        pool.close();
    }
}
