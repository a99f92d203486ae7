package dev.nightshift.adapter;

/** What an adapter is merged into. */
public enum MergeSource {
    /** The weights that are served, dequantised: what the adapter was trained and is served on. */
    SERVED,
    /** The 16-bit weights in the base model's files. */
    STORED
}
