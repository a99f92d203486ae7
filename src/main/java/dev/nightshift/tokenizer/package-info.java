/**
 * The Hugging Face tokenizers library behind one small class, and streaming decode on bytes. Text that users wrote never
 * becomes a control token: {@link dev.nightshift.tokenizer.Tokenizer#encodeRendered}. Thread-safe, but for
 * {@link dev.nightshift.tokenizer.StreamingDecoder}, which has one owner.
 */
package dev.nightshift.tokenizer;
