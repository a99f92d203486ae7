package dev.nightshift.template;

import java.util.List;
import java.util.Map;

/**
 * The input of a chat template. Messages, tools and documents are JSON values as maps, lists, strings, numbers, booleans and
 * null, in the client's key order; tool-call arguments are objects by now.
 *
 * @param tools null = absent
 * @param documents null = absent
 */
public record ChatPrompt(
        List<Map<String, Object>> messages,
        List<Object> tools,
        List<Object> documents,
        boolean addGenerationPrompt,
        boolean continueFinalMessage,
        Map<String, Object> templateArguments) {}
