package dev.nightshift.api.http;

import static dev.nightshift.api.http.Api.CHAT;
import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;

import com.google.rpc.ErrorInfo;
import dev.nightshift.TestSettings;
import dev.nightshift.proto.v1.ChatServiceGrpc;
import dev.nightshift.proto.v1.CompleteRequest;
import dev.nightshift.proto.v1.ContentPart;
import dev.nightshift.proto.v1.Conversation;
import dev.nightshift.proto.v1.Message;
import dev.nightshift.proto.v1.Prompt;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.response.Response;
import java.net.URI;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A model folder of its own: a context beyond the trained one, and a template that refuses. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
@QuarkusTestResource(value = DynamicModel.class, restrictToAnnotatedClass = true)
class DynamicModelTest {
    @TestHTTPResource
    URI server;

    private static Response ask(String user, boolean stream) {
        return Api.post(
                CHAT,
                "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":%s}],\"max_tokens\":20,\"temperature\":0,\"stream\":%b}"
                        .formatted(DynamicModel.NAME, Api.quoted(user), stream));
    }

    private static int answered(String user) {
        Response answer = ask(user, false);
        assertThat(answer.statusCode()).as(answer.asString()).isEqualTo(200);
        assertThat(answer.jsonPath().getInt("usage.completion_tokens")).isBetween(1, 20);
        return answer.jsonPath().getInt("usage.prompt_tokens");
    }

    @Test
    void theContextIsTheSettingsNotTheTrainedOne() {
        given().get("/v1/models")
                .then()
                .statusCode(200)
                .body("data[0].id", equalTo(DynamicModel.NAME))
                .body("data[0].max_model_len", equalTo(DynamicModel.CONTEXT));
    }

    @Test
    void promptsWithinTheTrainedContextAndBeyondItAreAnswered() {
        assertThat(answered("hello ".repeat(3) + "Where is Paris?")).isLessThan(128);
        assertThat(answered("hello ".repeat(200) + "Where is Paris?")).isBetween(256, DynamicModel.CONTEXT - 20);
    }

    @Test
    void aPromptBeyondTheServedContextIsRefused() {
        for (boolean stream : new boolean[] {false, true}) {
            ask("hello ".repeat(600) + "Where is Paris?", stream)
                    .then()
                    .statusCode(400)
                    .body("error.code", equalTo("context_length_exceeded"))
                    .body("error.message", containsString(Integer.toString(DynamicModel.CONTEXT)));
        }
    }

    @Test
    void aTemplatesRefusalIsA400WithItsText() {
        for (boolean stream : new boolean[] {false, true}) {
            ask("a forbidden question", stream)
                    .then()
                    .statusCode(400)
                    .contentType("application/json")
                    .body("error.type", equalTo("invalid_request_error"))
                    .body("error.message", containsString(DynamicModel.REFUSAL));
        }
    }

    @Test
    void aTemplatesRefusalIsAnInvalidArgumentOverGrpc() throws Exception {
        CompleteRequest request = CompleteRequest.newBuilder()
                .setPrompt(Prompt.newBuilder()
                        .setChat(Conversation.newBuilder()
                                .addMessages(Message.newBuilder()
                                        .setRole("user")
                                        .addContent(ContentPart.newBuilder().setText("a forbidden question")))))
                .setMaxTokens(4)
                .build();
        ManagedChannel channel = NettyChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .build();
        try {
            ChatServiceGrpc.ChatServiceBlockingStub chat = ChatServiceGrpc.newBlockingStub(channel);
            for (boolean stream : new boolean[] {false, true}) {
                StatusRuntimeException refused = catchThrowableOfType(StatusRuntimeException.class, () -> {
                    if (stream) {
                        chat.completeStream(request).hasNext();
                    } else {
                        chat.complete(request);
                    }
                });
                assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                assertThat(refused.getStatus().getDescription()).contains(DynamicModel.REFUSAL);
                assertThat(StatusProto.fromThrowable(refused)
                                .getDetails(0)
                                .unpack(ErrorInfo.class)
                                .getReason())
                        .isNotBlank();
            }
        } finally {
            channel.shutdownNow();
        }
    }
}
