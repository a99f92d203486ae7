/**
 * x86-64 machine code made at run time: an assembler for the few instructions that kernels need and the Vector API does not
 * have, and the executable memory they run from. Nothing outside the JDK is needed; where the processor or the system does not
 * allow it, callers keep their Vector API kernels.
 */
package dev.nightshift.tensor.cpu.x86;
