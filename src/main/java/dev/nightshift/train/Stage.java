package dev.nightshift.train;

/**
 * The smallest piece of an optimizer step that can't be interrupted.
 *
 * @param operations floating-point operations, known in advance; a measured rate turns them into time
 */
record Stage(String name, double operations, Runnable work) {}
