/**
 * QLoRA training over the resident base weights: data sets, masks and packing, losses, the optimizer step as a written-out
 * list of stages, the paged optimizer, training checkpoints. Knows neither clocks nor jobs. The trainer belongs to the
 * engine's thread; data sets may be read on any one.
 */
package dev.nightshift.train;
