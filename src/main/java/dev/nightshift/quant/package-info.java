/**
 * 4-bit code books, block quantisation and double quantisation as bitsandbytes stores them: the scalar reference that kernels
 * are held against. Stateless; every method may be called from any thread.
 */
package dev.nightshift.quant;
