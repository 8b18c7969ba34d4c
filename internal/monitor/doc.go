// Package monitor is the heart: a Shard takes the events of one lane into panes,
// a View merges the panes of all lanes and slides the windows, and a Board holds
// the newest published Snapshot for everything that shows or pushes it.
//
// It has no goroutine, clock, log, context, file or socket: time comes in as a
// value, and the same events in the same order give the same results.
package monitor
