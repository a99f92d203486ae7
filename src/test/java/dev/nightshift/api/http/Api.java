package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.restassured.response.Response;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Calls as a client makes them. */
final class Api {
    static final String CHAT = "/v1/chat/completions";
    static final String COMPLETIONS = "/v1/completions";
    private static final ObjectMapper JSON = new ObjectMapper();

    private Api() {}

    /** A greedy chat with one user message, and more fields. */
    static String chat(String user, String more) {
        return "{\"model\":\"nightshift-tiny\",\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":"
                + quoted(user) + "}]" + (more.isEmpty() ? "" : "," + more) + "}";
    }

    static String completion(String prompt, String more) {
        return "{\"model\":\"nightshift-tiny\",\"temperature\":0,\"prompt\":" + prompt
                + (more.isEmpty() ? "" : "," + more) + "}";
    }

    static String quoted(String text) {
        return JSON.getNodeFactory().textNode(text).toString();
    }

    static Response post(String path, String body) {
        return given().contentType("application/json").body(body).post(path);
    }

    static JsonNode ok(String path, String body) {
        return parse(post(path, body).then().statusCode(200).extract().asString());
    }

    static JsonNode parse(String json) {
        try {
            return JSON.readTree(json);
        } catch (IOException e) {
            throw new AssertionError("no JSON: " + json, e);
        }
    }

    /** The frames of a stream but [DONE], which must end it. */
    static List<JsonNode> stream(String path, String body) {
        String answer = post(path, body).then().statusCode(200).extract().asString();
        if (!answer.endsWith("data: [DONE]\n\n")) {
            throw new AssertionError("no [DONE] at the end of " + answer);
        }
        List<JsonNode> frames = new ArrayList<>();
        for (String frame : answer.split("\n\n")) {
            if (!frame.equals("data: [DONE]") && !frame.startsWith(":")) {
                frames.add(parse(frame.substring("data: ".length())));
            }
        }
        return frames;
    }

    /** The joined text of one choice of a chat's stream. */
    static String text(List<JsonNode> frames, int choice) {
        StringBuilder text = new StringBuilder();
        for (JsonNode frame : frames) {
            for (JsonNode each : frame.get("choices")) {
                if (each.get("index").intValue() == choice) {
                    text.append(
                            each.has("delta")
                                    ? each.get("delta").path("content").asText("")
                                    : each.get("text").asText());
                }
            }
        }
        return text.toString();
    }

    static String content(JsonNode answer) {
        return answer.at("/choices/0/message/content").asText();
    }
}
