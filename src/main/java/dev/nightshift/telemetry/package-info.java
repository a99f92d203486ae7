/** Every meter's name in one place. Meters are set from any thread; gauges are read when Prometheus asks. */
package dev.nightshift.telemetry;
