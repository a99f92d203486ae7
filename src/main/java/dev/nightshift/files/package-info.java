/**
 * Uploaded files and uploads in parts: their rows in the database, their content below {@code nightshift.data}. A file exists
 * when its content is synced under its final name and its row is committed, in this order; it is gone when its row says so.
 * What a crash leaves without a row is swept at the next start. Any thread.
 */
package dev.nightshift.files;
