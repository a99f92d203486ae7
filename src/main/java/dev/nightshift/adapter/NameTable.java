package dev.nightshift.adapter;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which version each name means. Under the registry's lock. */
final class NameTable {
    /** Adapters that hold a job's checkpoint: served under their alias alone. */
    private static final Pattern CHECKPOINT = Pattern.compile("ftjob-[0-9a-f]+-step-[0-9]+");

    /** Versions of each adapter by number. */
    private final Map<String, TreeMap<Integer, Version>> adapters = new HashMap<>();

    private final Map<String, NameRecord> records = new HashMap<>();
    private final Set<String> unloaded = new HashSet<>();

    // ---- what is there

    void put(Version version) {
        adapters.computeIfAbsent(version.name, name -> new TreeMap<>()).put(version.number, version);
    }

    void remove(Version version) {
        TreeMap<Integer, Version> versions = adapters.get(version.name);
        if (versions != null && versions.remove(version.number, version) && versions.isEmpty()) {
            adapters.remove(version.name);
            unloaded.remove(version.name);
        }
    }

    Optional<Version> version(String name, int number) {
        return Optional.ofNullable(adapters.getOrDefault(name, new TreeMap<>()).get(number));
    }

    /** Oldest first. */
    Collection<Version> versions(String name) {
        return List.copyOf(adapters.getOrDefault(name, new TreeMap<>()).values());
    }

    List<Version> all() {
        List<Version> all = new ArrayList<>();
        adapters.values().forEach(versions -> all.addAll(versions.values()));
        return all;
    }

    boolean isAdapter(String name) {
        return adapters.containsKey(name);
    }

    /** Largest number of the name's versions, 0 without any. */
    int newest(String name) {
        TreeMap<Integer, Version> versions = adapters.get(name);
        return versions == null ? 0 : versions.lastKey();
    }

    /** A number that no version of the name ever had. */
    int nextNumber(String name) {
        return Math.max(newest(name), record(name).highest()) + 1;
    }

    void setUnloaded(String name, boolean value) {
        if (value) {
            unloaded.add(name);
        } else {
            unloaded.remove(name);
        }
    }

    // ---- records

    NameRecord record(String name) {
        NameRecord record = records.get(name);
        return record == null ? NameRecord.none(name) : record;
    }

    void put(NameRecord record) {
        records.put(record.name(), record);
    }

    void removeRecord(String name) {
        records.remove(name);
    }

    /** Whether the name means something else than an adapter of its own. */
    boolean isAlias(String name) {
        return !isAdapter(name) && !record(name).target().isEmpty();
    }

    // ---- meaning

    /** What an id means now. */
    Optional<Version> resolve(String id) {
        Optional<Version> named = resolveName(id, true);
        if (named.isPresent()) {
            return named;
        }
        int at = id.lastIndexOf('@');
        if (at <= 0 || !id.substring(at + 1).matches("[1-9][0-9]{0,8}")) {
            return Optional.empty();
        }
        String name = id.substring(0, at);
        return unloaded.contains(name) ? Optional.empty() : version(name, Integer.parseInt(id.substring(at + 1)));
    }

    private Optional<Version> resolveName(String name, boolean followRecord) {
        if (unloaded.contains(name)) {
            return Optional.empty();
        }
        NameRecord record = record(name);
        int newest = newest(name);
        if (followRecord && !record.target().isEmpty() && newest <= record.newest()) {
            Optional<Version> target = target(name, record.target());
            if (target.isPresent()) {
                return target; // a version that was deleted gives the name back to the newest
            }
        }
        return newest == 0 ? Optional.empty() : version(name, newest);
    }

    /** A target is a version, or an adapter's name, whose own record counts unless it points back. */
    private Optional<Version> target(String from, String target) {
        if (target.equals(from)) {
            return resolveName(target, false);
        }
        int at = target.lastIndexOf('@');
        if (at > 0) {
            String name = target.substring(0, at);
            return version(name, Integer.parseInt(target.substring(at + 1)));
        }
        NameRecord record = record(target);
        boolean pinned = record.target().startsWith(target + "@") && newest(target) <= record.newest();
        return pinned ? target(target, record.target()) : resolveName(target, false);
    }

    /** Whether a newer version of the adapter leaves the name where it is. */
    boolean pinned(String name) {
        return !isAdapter(name) && record(name).target().contains("@");
    }

    /** What the name meant before: the last of its history that still exists and differs, else the next older version. */
    Optional<Earlier> earlier(String name) {
        Optional<Version> now = resolve(name);
        List<String> history = new ArrayList<>(record(name).history());
        while (!history.isEmpty()) {
            String last = history.removeLast();
            Optional<Version> then = target(name, last);
            if (then.isPresent() && !then.equals(now)) {
                return Optional.of(new Earlier(last, history));
            }
        }
        if (now.isEmpty() || !now.get().name.equals(name)) {
            return Optional.empty();
        }
        Map.Entry<Integer, Version> older = adapters.get(name).lowerEntry(now.get().number);
        return Optional.ofNullable(older)
                .map(entry -> new Earlier(entry.getValue().id(), List.of()));
    }

    /** @param history what was remembered before {@code target} */
    record Earlier(String target, List<String> history) {}

    /** Whether a name is that of a job's checkpoint, which nobody is told. */
    static boolean isCheckpoint(String name) {
        return CHECKPOINT.matcher(name).matches();
    }

    /** Names and aliases that mean something now, sorted. */
    Set<String> names() {
        Set<String> names = new TreeSet<>(adapters.keySet());
        names.addAll(records.keySet());
        names.removeIf(name -> isCheckpoint(name) || resolve(name).isEmpty());
        return names;
    }

    /** Names and aliases with a record that point at a version or at its adapter. */
    boolean isNamed(String name) {
        return isAdapter(name) || !record(name).target().isEmpty();
    }
}
