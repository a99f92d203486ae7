package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FailuresTest {
    @ParameterizedTest
    @EnumSource
    void everyErrorCodeHasAStatusThatIsNoSuccess(ErrorCode code) {
        StatusRuntimeException answer = Failures.answer(new ServingException(code, "why"));
        assertThat(answer.getStatus().getCode()).isNotEqualTo(Status.Code.OK).isNotEqualTo(Status.Code.UNKNOWN);
        assertThat(answer.getStatus().getDescription()).isEqualTo("why");
    }

    @Test
    void detailsNameReasonFieldAndWait() throws Exception {
        com.google.rpc.Status status = StatusProto.fromThrowable(
                Failures.answer(ServingException.invalid("sampling.top_p", "sampling.top_p: 3 is not between 0 and 1")
                        .withRetryAfter(Duration.ofMillis(1500))));
        assertThat(status.getDetailsList()).hasSize(3);
        Any[] details = status.getDetailsList().toArray(Any[]::new);
        assertThat(details[0].unpack(ErrorInfo.class).getReason()).isEqualTo("INVALID_REQUEST");
        assertThat(details[1].unpack(BadRequest.class).getFieldViolations(0).getField())
                .isEqualTo("sampling.top_p");
        assertThat(details[2].unpack(RetryInfo.class).getRetryDelay().getNanos())
                .isEqualTo(500_000_000);
    }
}
