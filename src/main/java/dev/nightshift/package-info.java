/** The object graph on one page ({@link dev.nightshift.Wiring}), the settings, what happens at start and stop. */
package dev.nightshift;
