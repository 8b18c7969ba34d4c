package event

// Ledger accounts for messages: Consumed = Accepted + Rejected + Late +
// Duplicate, exactly, at every moment. It adds up over lanes.
type Ledger struct {
	Consumed  uint64
	Accepted  uint64
	Rejected  [Reasons]uint64
	Late      uint64
	Duplicate uint64
}

// Add adds o to l.
func (l *Ledger) Add(o *Ledger) {
	l.Consumed += o.Consumed
	l.Accepted += o.Accepted
	l.Late += o.Late
	l.Duplicate += o.Duplicate
	for r := range l.Rejected {
		l.Rejected[r] += o.Rejected[r]
	}
}

// Subtract takes the counts of an earlier ledger away.
func (l *Ledger) Subtract(o *Ledger) {
	l.Consumed -= o.Consumed
	l.Accepted -= o.Accepted
	l.Late -= o.Late
	l.Duplicate -= o.Duplicate
	for i, n := range o.Rejected {
		l.Rejected[i] -= n
	}
}

// RejectedTotal returns the number of rejected messages, for all reasons.
func (l *Ledger) RejectedTotal() uint64 {
	var n uint64
	for _, c := range l.Rejected {
		n += c
	}
	return n
}

// Balanced reports whether the account is exact.
func (l *Ledger) Balanced() bool {
	return l.Consumed == l.Accepted+l.RejectedTotal()+l.Late+l.Duplicate
}
