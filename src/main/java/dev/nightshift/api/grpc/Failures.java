package dev.nightshift.api.grpc;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;

/** Failures as gRPC tells them: the status of the error table, with a {@code google.rpc.Status} that says more. */
final class Failures {
    private static final String DOMAIN = "nightshift";

    private Failures() {}

    static StatusRuntimeException answer(ServingException failure) {
        com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder()
                .setCode(code(failure.code()).value())
                .setMessage(failure.getMessage())
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setReason(failure.code().name())
                        .setDomain(DOMAIN)
                        .build()));
        failure.param()
                .ifPresent(field -> status.addDetails(Any.pack(BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                                .setField(field)
                                .setDescription(failure.getMessage()))
                        .build())));
        failure.retryAfter().ifPresent(wait -> status.addDetails(Any.pack(retry(wait))));
        return StatusProto.toStatusRuntimeException(status.build());
    }

    static Status.Code code(ErrorCode code) {
        return Status.Code.valueOf(code.grpcStatus());
    }

    private static RetryInfo retry(Duration wait) {
        return RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder()
                        .setSeconds(wait.toSeconds())
                        .setNanos(wait.toNanosPart()))
                .build();
    }
}
