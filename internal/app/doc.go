// Package app builds the whole program from its config: live reading (Run), files
// (Replay) and references (BuildProfile). It is the only place where the parts are
// wired together, and the only one that holds the clock.
package app
