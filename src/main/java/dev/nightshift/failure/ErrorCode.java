package dev.nightshift.failure;

/**
 * Every kind of operating error, with the HTTP status, the OpenAI {@code type} and {@code code}, and the name of the gRPC
 * status it is answered with. This is the only such table.
 */
public enum ErrorCode {
    INVALID_REQUEST(400, "invalid_request_error", null, "INVALID_ARGUMENT"),
    CONTEXT_LENGTH_EXCEEDED(400, "invalid_request_error", "context_length_exceeded", "INVALID_ARGUMENT"),
    INVALID_API_KEY(401, "invalid_request_error", "invalid_api_key", "UNAUTHENTICATED"),
    PERMISSION_DENIED(403, "permission_error", "permission_denied", "PERMISSION_DENIED"),
    MODEL_NOT_FOUND(404, "invalid_request_error", "model_not_found", "NOT_FOUND"),
    NOT_FOUND(404, "invalid_request_error", "not_found", "NOT_FOUND"),
    METHOD_NOT_ALLOWED(405, "invalid_request_error", "method_not_allowed", "UNIMPLEMENTED"),
    REQUEST_TIMEOUT(408, "timeout", "request_timeout", "DEADLINE_EXCEEDED"),
    CONFLICT(409, "invalid_request_error", "conflict", "FAILED_PRECONDITION"),
    PAYLOAD_TOO_LARGE(413, "invalid_request_error", "payload_too_large", "RESOURCE_EXHAUSTED"),
    UNSUPPORTED_MEDIA_TYPE(415, "invalid_request_error", "unsupported_media_type", "INVALID_ARGUMENT"),
    QUEUE_FULL(429, "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"),
    CANCELLED(499, "cancelled", "cancelled", "CANCELLED"),
    INTERNAL(500, "server_error", "internal_error", "INTERNAL"),
    NON_FINITE_LOGITS(500, "server_error", "non_finite_logits", "INTERNAL"),
    NOT_IMPLEMENTED(501, "server_error", "not_implemented", "UNIMPLEMENTED"),
    UNAVAILABLE(503, "server_error", "unavailable", "UNAVAILABLE"),
    INSUFFICIENT_STORAGE(507, "server_error", "insufficient_storage", "RESOURCE_EXHAUSTED");

    private final int httpStatus;
    private final String type;
    private final String code;
    private final String grpcStatus;

    ErrorCode(int httpStatus, String type, String code, String grpcStatus) {
        this.httpStatus = httpStatus;
        this.type = type;
        this.code = code;
        this.grpcStatus = grpcStatus;
    }

    public int httpStatus() {
        return httpStatus;
    }

    /** The OpenAI error {@code type}. */
    public String type() {
        return type;
    }

    /** The OpenAI error {@code code}, or null where OpenAI has none. */
    public String code() {
        return code;
    }

    /** Name of the constant of {@code io.grpc.Status.Code}. */
    public String grpcStatus() {
        return grpcStatus;
    }
}
