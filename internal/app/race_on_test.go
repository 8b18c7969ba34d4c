//go:build race

package app

// raceEnabled: the race detector makes everything some ten times slower.
const raceEnabled = true
