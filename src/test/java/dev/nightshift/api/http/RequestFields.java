package dev.nightshift.api.http;

import dev.nightshift.engine.SamplingParameters;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Bodies read as the resources read them, with small limits. */
final class RequestFields {
    static final RequestLimits LIMITS = new RequestLimits(8, 20, 4, 20, 16, 32, 3, 5, 10);
    static final ModelFacts MODEL = new ModelFacts(
            512, 256, new SamplingParameters(1, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, false, -1), "fp_test");

    private RequestFields() {}

    static Fields of(String json) {
        return new Fields(Json.parseObject(json.getBytes(StandardCharsets.UTF_8)), "");
    }

    /** A chat of one user message, with more fields. */
    static ChatCall chat(String more) {
        return ChatFields.read(
                of("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]" + tail(more) + "}"),
                LIMITS,
                MODEL);
    }

    static ChatCall messages(String messages) {
        return ChatFields.read(of("{\"model\":\"m\",\"messages\":" + messages + "}"), LIMITS, MODEL);
    }

    static CompletionCall completion(String prompt, String more) {
        return CompletionFields.read(of("{\"model\":\"m\",\"prompt\":" + prompt + tail(more) + "}"), LIMITS, MODEL);
    }

    private static String tail(String more) {
        return more.isEmpty() ? "" : "," + more;
    }
}
