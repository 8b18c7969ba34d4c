// Package drift compares a window with a reference: eight statistics, each with
// its distribution while nothing changes, and a verdict.
package drift
