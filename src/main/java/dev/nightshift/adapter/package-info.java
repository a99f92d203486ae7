/** Adapter versions, leases and device slots. */
package dev.nightshift.adapter;
