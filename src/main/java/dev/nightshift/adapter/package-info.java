/**
 * Adapter versions: on disk, in host memory, in the slots of the device. A name points to an immutable version; a request holds
 * it by a lease. Only the engine's thread asks a lease for its slot, which is when the device is written; all else may be called
 * from any thread.
 */
package dev.nightshift.adapter;
