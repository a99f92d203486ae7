/** The Hugging Face tokenizer library behind one small class, and streaming decode. Thread-safe. */
package dev.nightshift.tokenizer;
