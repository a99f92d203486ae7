package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import jakarta.ws.rs.core.Response;

/** Wire records as HTTP answers. */
final class Answers {
    private static final String JSON = "application/json";

    private Answers() {}

    static Response json(Object wire) {
        return Response.ok(Json.bytes(wire), JSON).build();
    }

    /** The error object with its status and the headers that tell clients whether to come again. */
    static Response error(ServingException failure) {
        Response.ResponseBuilder answer =
                Response.status(failure.code().httpStatus()).type(JSON).entity(Json.bytes(ErrorBody.of(failure)));
        failure.retryAfter().ifPresent(wait -> answer.header("Retry-After", Math.max(1, wait.toSeconds())));
        if (failure.code() == ErrorCode.CONFLICT) {
            // clients retry every 409, which a conflict of states never heals
            answer.header("x-should-retry", "false");
        }
        return answer.build();
    }
}
