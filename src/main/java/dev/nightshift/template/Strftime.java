package dev.nightshift.template;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;

/** C's {@code strftime} in the C locale, with the GNU flags {@code -}, {@code _}, {@code 0}, {@code ^}. */
final class Strftime {
    private Strftime() {}

    static Text format(Budget budget, Text format, LocalDateTime now) {
        TextBuilder out = new TextBuilder(budget);
        String string = format.string();
        int done = 0;
        int at = 0;
        while ((at = string.indexOf('%', at)) >= 0) {
            int next = at + 1;
            char flag = 0;
            if (next < string.length() && "-_0^".indexOf(string.charAt(next)) >= 0) {
                flag = string.charAt(next++);
            }
            String value = next < string.length() ? directive(string.charAt(next), flag, now) : null;
            if (value != null) {
                out.append(format, done, at).append(value);
                done = next + 1;
            }
            at = Math.min(next + 1, string.length());
        }
        return out.append(format, done, string.length()).toText();
    }

    /** The text, or null for a directive that does not exist. */
    private static String directive(char directive, char flag, LocalDateTime now) {
        String text = switch (directive) {
            case 'a' -> now.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' -> now.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'p' -> now.getHour() < 12 ? "AM" : "PM";
            case 'P' -> now.getHour() < 12 ? "am" : "pm";
            case 'c' -> all(now, "%a %b %e %H:%M:%S %Y");
            case 'D', 'x' -> all(now, "%m/%d/%y");
            case 'F' -> all(now, "%Y-%m-%d");
            case 'R' -> all(now, "%H:%M");
            case 'r' -> all(now, "%I:%M:%S %p");
            case 'T', 'X' -> all(now, "%H:%M:%S");
            case 'Z', 'z' -> "";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            case 'f' -> padded(now.getNano() / 1000, 6, '0', flag);
            default -> number(directive, flag, now);
        };
        return text != null && flag == '^' ? text.toUpperCase(Locale.ROOT) : text;
    }

    private static String all(LocalDateTime now, String format) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            out.append(c == '%' ? directive(format.charAt(++i), (char) 0, now) : String.valueOf(c));
        }
        return out.toString();
    }

    private static String number(char directive, char flag, LocalDateTime now) {
        int weekday = now.getDayOfWeek().getValue();
        int hour12 = now.getHour() % 12 == 0 ? 12 : now.getHour() % 12;
        return switch (directive) {
            case 'Y' -> String.valueOf(now.getYear());
            case 'C' -> padded(now.getYear() / 100, 2, '0', flag);
            case 'y' -> padded(now.getYear() % 100, 2, '0', flag);
            case 'G' -> String.valueOf(now.get(IsoFields.WEEK_BASED_YEAR));
            case 'g' -> padded(now.get(IsoFields.WEEK_BASED_YEAR) % 100, 2, '0', flag);
            case 'm' -> padded(now.getMonthValue(), 2, '0', flag);
            case 'd' -> padded(now.getDayOfMonth(), 2, '0', flag);
            case 'e' -> padded(now.getDayOfMonth(), 2, ' ', flag);
            case 'H' -> padded(now.getHour(), 2, '0', flag);
            case 'k' -> padded(now.getHour(), 2, ' ', flag);
            case 'I' -> padded(hour12, 2, '0', flag);
            case 'l' -> padded(hour12, 2, ' ', flag);
            case 'M' -> padded(now.getMinute(), 2, '0', flag);
            case 'S' -> padded(now.getSecond(), 2, '0', flag);
            case 'j' -> padded(now.get(ChronoField.DAY_OF_YEAR), 3, '0', flag);
            case 'u' -> String.valueOf(weekday);
            case 'w' -> String.valueOf(weekday % 7);
            case 'U' -> padded((now.getDayOfYear() + 6 - weekday % 7) / 7, 2, '0', flag);
            case 'W' -> padded((now.getDayOfYear() + 6 - (weekday + 6) % 7) / 7, 2, '0', flag);
            case 'V' -> padded(now.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2, '0', flag);
            default -> null;
        };
    }

    private static String padded(int value, int width, char fill, char flag) {
        String digits = String.valueOf(value);
        if (flag == '-') {
            return digits;
        }
        char pad = flag == '_' ? ' ' : flag == '0' ? '0' : fill;
        return String.valueOf(pad).repeat(Math.max(0, width - digits.length())) + digits;
    }
}
