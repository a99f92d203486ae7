/**
 * The embedded database below {@code nightshift.data}: opening it, bringing its schema up to date, transactions. Each feature
 * owns its tables and their migration in {@code db/migration}. Any thread; a change is on the disk when its call returns.
 */
package dev.nightshift.store;
