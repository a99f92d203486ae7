/**
 * The gRPC services of {@code proto/nightshift/v1}: messages to domain and back, failures to {@code google.rpc.Status}. Calls begin
 * on worker threads; events are carried by short tasks on virtual threads. Nothing here blocks an event loop or the engine.
 */
package dev.nightshift.api.grpc;
