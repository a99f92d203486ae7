/**
 * Checkpoints: safetensors, Hugging Face folders, bitsandbytes and PEFT names, the hub. {@link
 * dev.nightshift.checkpoint.Checkpoint#open} is the entrance. Files are memory-mapped and read only; an open checkpoint owns
 * its mappings until it is closed. Loading runs on the caller's thread and the common pool.
 */
package dev.nightshift.checkpoint;
