// Package faults has no code but tests: they run the real program, break what it stands on,
// and compare what it says with what an undisturbed run and a replay say, byte for byte.
//
// STREAMMON_FAULTS=long runs them in their long setting.
package faults
