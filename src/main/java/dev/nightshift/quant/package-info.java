/** 4-bit code books, block quantisation and double quantisation exactly as bitsandbytes stores them. The scalar reference. */
package dev.nightshift.quant;
