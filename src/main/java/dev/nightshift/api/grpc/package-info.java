/**
 * The gRPC services of {@code proto/nightshift/v1}: messages to domain and back, failures to {@code google.rpc.Status}. Calls run
 * on virtual threads, which may wait for events and for slow readers; nothing here blocks an event loop or the engine.
 */
package dev.nightshift.api.grpc;
