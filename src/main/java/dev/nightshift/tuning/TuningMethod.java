package dev.nightshift.tuning;

/** What a job minimises. Supervised and DPO are OpenAI's {@code method.type}; the others come as {@code nightshift.method}. */
public enum TuningMethod {
    SUPERVISED,
    DPO,
    ORPO,
    KTO
}
