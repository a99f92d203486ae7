/**
 * Data sets: rows of JSONL files in the formats that are in use, checked; through the template and the tokenizer that serve;
 * with a loss weight for each token; cut, mixed, ordered and packed. The same input gives the same samples. Any thread.
 */
package dev.nightshift.train.data;
