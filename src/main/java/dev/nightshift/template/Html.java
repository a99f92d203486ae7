package dev.nightshift.template;

/** HTML escaping as markupsafe does it. */
final class Html {
    private Html() {}

    /** Markup of the same look; markup stays as it is. */
    static Text escape(Budget budget, Text text) {
        if (text.isMarkup()) {
            return text;
        }
        return escapeAll(budget, text);
    }

    /** As {@link #escape}, of markup too. */
    static Text escapeAll(Budget budget, Text text) {
        budget.scan(text.length());
        TextBuilder out = new TextBuilder(budget);
        int done = 0;
        for (int i = 0; i < text.length(); i++) {
            String entity = switch (text.string().charAt(i)) {
                case '&' -> "&amp;";
                case '<' -> "&lt;";
                case '>' -> "&gt;";
                case '\'' -> "&#39;";
                case '"' -> "&#34;";
                default -> null;
            };
            if (entity != null) {
                out.append(text, done, i).append(entity, text.flagsAt(i));
                done = i + 1;
            }
        }
        return out.append(text, done, text.length()).toText().asMarkup();
    }

    /** Without tags and comments, white space made single, as markupsafe's striptags does; entities stay. */
    static Text stripTags(Budget budget, Text text) {
        TextBuilder out = new TextBuilder(budget);
        String string = text.string();
        int done = 0;
        for (int open = string.indexOf('<'); open >= 0; open = string.indexOf('<', done)) {
            boolean comment = string.startsWith("<!--", open);
            int close = comment ? string.indexOf("-->", open) : string.indexOf('>', open);
            if (close < 0) {
                break;
            }
            out.append(text, done, open);
            done = close + (comment ? 3 : 1);
        }
        Text plain = out.append(text, done, string.length()).toText();
        TextBuilder words = new TextBuilder(budget);
        for (Value word : TextEdits.splitSpace(budget, plain, -1, false)) {
            words.append(words.length() > 0 ? " " : "").append((Text) word);
        }
        return words.toText();
    }
}
