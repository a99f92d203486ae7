/**
 * JSONL files, one record a line: read as a stream, with the line's number in every complaint. Uploads and data sets share
 * these rules.
 */
package dev.nightshift.jsonl;
