package event

import (
	"testing"

	"pgregory.net/rapid"
)

// TestReasonsAreTheClosedSet compares the names with the list of the documentation.
func TestReasonsAreTheClosedSet(t *testing.T) {
	want := []string{"", "empty", "too_large", "syntax", "envelope", "time", "future", "ancient", "model", "unknown"}
	for i, name := range want {
		if got := Reason(i).String(); got != name {
			t.Errorf("reason %d is %q, want %q", i, got, name)
		}
	}
	if int(Reasons) != len(want)-1 {
		t.Errorf("%d reasons", Reasons)
	}
}

// TestLedger: sums of balanced ledgers are balanced, whatever the order.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ledgers []Ledger
		var forward, backward Ledger
		for range rapid.IntRange(0, 5).Draw(t, "lanes") {
			var l Ledger
			count := func(field *uint64) {
				n := rapid.Uint64Range(0, 1000).Draw(t, "count")
				*field += n
				l.Consumed += n
			}
			count(&l.Accepted)
			count(&l.Late)
			count(&l.Duplicate)
			for r := Empty; r < Reasons; r++ {
				count(&l.Rejected[r])
			}
			ledgers = append(ledgers, l)
			forward.Add(&l)
		}
		for i := range ledgers {
			backward.Add(&ledgers[len(ledgers)-1-i])
		}
		if forward != backward || !forward.Balanced() {
			t.Fatalf("%+v, %+v", forward, backward)
		}
		forward.Consumed++
		if forward.Balanced() {
			t.Fatal("one message too many is balanced")
		}
	})
}
