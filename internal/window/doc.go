// Package window is event time: panes, tiers, sliding windows and watermarks,
// generic over the content of a pane.
//
// Time is cut into panes aligned to the Unix epoch. Full panes roll up into the
// next tier; a window of length L slides by one tier and is merged from the
// panes of that tier by a tree that is a function of the window's end alone
// (see Sliding). All times and lengths are int64 nanoseconds.
//
// The package knows no content and no clock. It is not safe for concurrent use.
package window
