/**
 * The loop that owns the device: {@code next -> forward -> sample -> commit}, and idle work between. Other threads submit
 * sequences and read their bounded event queues. No Quarkus, Jakarta or Vert.x from here down.
 */
package dev.nightshift.engine;
