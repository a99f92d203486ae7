/**
 * {@link dev.nightshift.tensor.cpu.VectorOps}, the embedded default backend: every operation on the JDK Vector API, over all
 * cores. The operations are grouped by family (linear, attention, rows, sampling); a {@code *Lanes} interface names the
 * inner loops of a family, a {@code *Vectors} class holds them once for every vector width.
 *
 * <p>{@link dev.nightshift.tensor.cpu.MachineCode} replaces inner loops that the Vector API cannot express well, at 256 and at 512 bits.
 *
 * <p>Every element of a result is one chain of operations in one order, so neither vector width nor thread count nor batch
 * changes a bit. The team of worker threads belongs to {@code VectorOps}; one thread at a time calls it.
 */
package dev.nightshift.tensor.cpu;
