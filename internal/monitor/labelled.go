package monitor

import (
	"encoding/binary"
	"errors"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/sketch"
)

// labelled is what is known of the answers of a series whose labels have come, or did not in time. It is in panes of
// label time, and of the time at which a prediction expired.
type labelled struct {
	matched, early, duplicate, conflict, expired uint64
	delay                                        sketch.ExpHistogram // from prediction to label, in seconds; of those that are not early
	tally                                        *eval.Tally
}

func newLabelled(spec *eval.Spec) *labelled {
	return &labelled{delay: sketch.NewExpHistogram(0), tally: eval.NewTally(spec)}
}

func (l *labelled) counts() [5]*uint64 {
	return [...]*uint64{&l.matched, &l.early, &l.duplicate, &l.conflict, &l.expired}
}

func (l *labelled) clone() *labelled {
	c := *l
	c.delay, c.tally = l.delay.Clone(), l.tally.Clone()
	return &c
}

// merge adds o, which stays as it is.
func (l *labelled) merge(o *labelled) {
	from := o.counts()
	for i, n := range l.counts() {
		*n += *from[i]
	}
	if err := l.delay.Merge(&o.delay); err != nil {
		panic(err) // both are distances from 0
	}
	l.tally.Merge(o.tally)
}

func (l *labelled) appendBinary(b []byte) []byte {
	for _, n := range l.counts() {
		b = binary.AppendUvarint(b, *n)
	}
	return l.tally.AppendBinary(l.delay.AppendBinary(b))
}

// readLabelled fails with eval.ErrSpec if it is of another spec.
func readLabelled(b []byte, spec *eval.Spec) (*labelled, error) {
	d := sketch.NewDecoder(b)
	l := &labelled{}
	for _, n := range l.counts() {
		*n = d.Count()
	}
	d.Read(&l.delay)
	if l.delay.Center() != 0 {
		d.Fail(errors.New("delays that are not distances from 0"))
	}
	rest, err := d.End("labels")
	if err == nil {
		l.tally, err = spec.ReadTally(rest)
	}
	return l, err
}
