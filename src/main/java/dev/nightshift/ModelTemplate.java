package dev.nightshift;

import dev.nightshift.checkpoint.ChatTemplates;
import dev.nightshift.checkpoint.TokenizerFiles;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.ChatTemplate;
import dev.nightshift.template.NamedTemplates;
import dev.nightshift.template.RenderedPrompt;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The chat template in use: the setting's, else the model's own; never a guess.
 *
 * @param plain for conversations without tools, null if there is none
 * @param withTools for those with, where the model has one of its own; else the same
 * @param stops strings that end an answer besides the model's end token
 */
record ModelTemplate(ChatTemplate plain, ChatTemplate withTools, List<String> stops) {

    static ModelTemplate of(TokenizerFiles files, Optional<String> setting) {
        Map<String, String> tokens = new HashMap<>();
        files.bos().ifPresent(token -> tokens.put("bos_token", token));
        files.eos().ifPresent(token -> tokens.put("eos_token", token));
        files.pad().ifPresent(token -> tokens.put("pad_token", token));
        files.unk().ifPresent(token -> tokens.put("unk_token", token));
        if (setting.isPresent()) {
            return configured(setting.get(), tokens);
        }
        ChatTemplates own = files.templates();
        ChatTemplate plain = compile(own.choose(false), tokens);
        ChatTemplate withTools = compile(own.choose(true), tokens);
        return new ModelTemplate(plain, withTools, List.of());
    }

    private static ChatTemplate compile(Optional<String> source, Map<String, String> tokens) {
        return source.map(text -> ChatTemplate.compile(text, tokens)).orElse(null);
    }

    /** A file that exists, or a name. */
    private static ModelTemplate configured(String setting, Map<String, String> tokens) {
        Path file = Path.of(setting);
        if (Files.isRegularFile(file)) {
            try {
                ChatTemplate template = ChatTemplate.compile(Files.readString(file, StandardCharsets.UTF_8), tokens);
                return new ModelTemplate(template, template, List.of());
            } catch (IOException e) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST, "nightshift.chat-template: cannot read " + file + ": " + e, e);
            }
        }
        NamedTemplates.NamedTemplate named = NamedTemplates.named(setting);
        ChatTemplate template = ChatTemplate.compile(named.source(), tokens);
        return new ModelTemplate(template, template, named.stops());
    }

    /** The template's text, or null. */
    String source() {
        return plain == null ? null : plain.source();
    }

    RenderedPrompt render(ChatPrompt prompt) {
        ChatTemplate template = prompt.tools() == null ? plain : withTools;
        if (template == null) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "the model has no chat template; set nightshift.chat-template to a file or to one of "
                            + String.join(", ", NamedTemplates.names()));
        }
        return template.render(prompt);
    }
}
