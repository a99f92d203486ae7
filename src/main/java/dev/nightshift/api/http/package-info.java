/** The OpenAI-compatible HTTP interface: resources, wire records, server-sent events. Runs on Vert.x and worker threads, never blocks the engine. */
package dev.nightshift.api.http;
