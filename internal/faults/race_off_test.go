//go:build !race

package faults

// raceEnabled tells whether the race detector slows everything down.
const raceEnabled = false
