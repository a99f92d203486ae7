/** Checkpoints on disk: safetensors, Hugging Face, bitsandbytes and PEFT names, hub download. Files are memory-mapped and read only. */
package dev.nightshift.checkpoint;
