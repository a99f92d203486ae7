/**
 * Fine-tuning jobs: what is asked for, the states they pass through, when they may use the device, their events, metrics and
 * checkpoints, and how what they learnt is published. {@link dev.nightshift.tuning.FineTuneJobs} may be called from any
 * thread; one host thread, the {@link dev.nightshift.tuning.JobRunner}, works through the jobs; {@link
 * dev.nightshift.tuning.TrainingSlice} alone touches the device, on the engine's thread.
 */
package dev.nightshift.tuning;
