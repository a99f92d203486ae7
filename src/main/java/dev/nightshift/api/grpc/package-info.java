/** The gRPC services: proto messages to domain and back. */
package dev.nightshift.api.grpc;
