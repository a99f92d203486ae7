package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;

/** OpenAI's error object; all four keys are always there. */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ErrorBody(Detail error) {

    /** What clients show and switch on. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Detail(String message, String type, String param, String code) {}

    static ErrorBody of(ServingException failure) {
        ErrorCode code = failure.code();
        return new ErrorBody(
                new Detail(failure.getMessage(), code.type(), failure.param().orElse(null), code.code()));
    }
}
