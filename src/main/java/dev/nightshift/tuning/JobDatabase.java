package dev.nightshift.tuning;

import java.util.function.Function;
import org.jdbi.v3.core.Handle;

/** Transactions on the database that holds the job tables. */
public interface JobDatabase {
    /** Reads within one transaction. */
    <R> R read(Function<Handle, R> query);

    /** Changes rows within one transaction, which is durable when this returns. */
    <R> R change(Function<Handle, R> change);
}
