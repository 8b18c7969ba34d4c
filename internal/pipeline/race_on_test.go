//go:build race

package pipeline

// raceEnabled: the race detector makes everything some ten times slower.
const raceEnabled = true
