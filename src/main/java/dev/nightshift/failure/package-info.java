/** Operating errors and the one table that says how each is answered. Imports the JDK alone; every package may use it. */
package dev.nightshift.failure;
