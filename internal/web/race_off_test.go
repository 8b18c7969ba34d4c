//go:build !race

package web

// raceEnabled tells whether the race detector slows everything down.
const raceEnabled = false
