// Package oracle is a batch program that computes what every final window of a
// log must be, in the straightforward slow way: each message is parsed with
// encoding/json, each window is recomputed from all its events with maps and
// sorted slices. Join does the same for labels: it pairs them with predictions
// when all of both are known, and takes each figure from the list of pairs. It
// shares no code with the core, only the vocabulary of package event, so that a
// test can hold one against the other.
//
// It is not fast, does not stream, holds the whole log and all windows in memory,
// and is imported by tests only. It knows the default envelope, and no other
// mapping.
//
// Guarantees: Run and Join are pure functions of the setup and the lanes. Counts
// are exact, sums are compensated, quantiles are elements of the sorted values. A
// figure that is undefined is NaN, or missing where figures have names. Generate
// and GenerateLabelled are pure functions of their random numbers, and each
// message that they make is accepted, or rejected for one reason only.
package oracle
