/** Every meter's name in one file. */
package dev.nightshift.telemetry;
