package eval

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

// tallyVersion is the first byte of a tally's binary form.
const tallyVersion = 1

// part is what a task counts.
type part interface {
	add(p *Prediction, l *Label)
	merge(o part)
	clone() part
	count() uint64
	mispredicted() (wrong, compared uint64)
	bytes() int
	appendBinary(b []byte) []byte
	readBinary(d *sketch.Decoder)
	figures(s *Spec, dst []Figure) []Figure
}

// counting is what a type of one task has to be a part.
type counting[T any] interface {
	*T
	add(p *Prediction, l *Label)
	merge(o *T)
	clone() *T
	count() uint64
	bytes() int
	appendBinary(b []byte) []byte
	readBinary(d *sketch.Decoder)
	figures(s *Spec, dst []Figure) []Figure
}

// only is a part of one type.
type only[T any, P counting[T]] struct{ of P }

func (o only[T, P]) add(p *Prediction, l *Label)            { o.of.add(p, l) }
func (o only[T, P]) merge(other part)                       { o.of.merge(other.(only[T, P]).of) }
func (o only[T, P]) clone() part                            { return only[T, P]{o.of.clone()} }
func (o only[T, P]) count() uint64                          { return o.of.count() }
func (o only[T, P]) bytes() int                             { return o.of.bytes() }
func (o only[T, P]) appendBinary(b []byte) []byte           { return o.of.appendBinary(b) }
func (o only[T, P]) readBinary(d *sketch.Decoder)           { o.of.readBinary(d) }
func (o only[T, P]) figures(s *Spec, dst []Figure) []Figure { return o.of.figures(s, dst) }

// mispredicted is 0 of 0 for tasks without right and wrong answers.
func (o only[T, P]) mispredicted() (wrong, compared uint64) {
	if m, ok := any(o.of).(interface {
		mispredicted() (wrong, compared uint64)
	}); ok {
		return m.mispredicted()
	}
	return 0, 0
}

// newPart returns an empty part for the task, nil if it has none.
func (s *Spec) newPart() part {
	switch s.Task {
	case Binary:
		return only[binaryPairs, *binaryPairs]{newBinary(s)}
	case Multiclass:
		return only[multiclassPairs, *multiclassPairs]{newMulticlass(s)}
	case Regression:
		return only[regression, *regression]{newRegression(s)}
	case Ranking:
		return only[ranking, *ranking]{newRanking(s)}
	}
	return nil
}

// Tally is what was counted of pairs of one Spec. It is not safe for concurrent use.
type Tally struct {
	spec *Spec
	part part
}

// NewTally returns an empty tally. The Spec must have a task, and not change any more.
func NewTally(s *Spec) *Tally {
	p := s.newPart()
	if p == nil {
		panic("eval: a tally of no task")
	}
	return &Tally{s, p}
}

// Add adds a pair.
func (t *Tally) Add(p *Prediction, l *Label) { t.part.add(p, l) }

// Merge adds what another tally of the same Spec has, which stays as it is.
func (t *Tally) Merge(o *Tally) { t.part.merge(o.part) }

// Clone returns an independent copy.
func (t *Tally) Clone() *Tally { return &Tally{t.spec, t.part.clone()} }

// Count returns the number of pairs.
func (t *Tally) Count() uint64 { return t.part.count() }

// Mispredicted returns the number of pairs of which the answer is another class than the truth, and of all that have an answer.
func (t *Tally) Mispredicted() (wrong, compared uint64) { return t.part.mispredicted() }

// Answers returns the numbers of pairs of Binary by [truth][answer], 0 is negative and 1 positive; false for other tasks.
func (t *Tally) Answers() ([2][2]uint64, bool) {
	if o, ok := t.part.(only[binaryPairs, *binaryPairs]); ok {
		return o.of.decided, true
	}
	return [2][2]uint64{}, false
}

// Confusion returns the numbers of pairs of Multiclass by [truth][answer], all other classes last; nil for other tasks, and where nothing was answered.
func (t *Tally) Confusion() [][]uint64 {
	o, ok := t.part.(only[multiclassPairs, *multiclassPairs])
	if !ok || o.of.cells == nil {
		return nil
	}
	n := t.spec.classes()
	rows := make([][]uint64, n)
	for i := range rows {
		rows[i] = slices.Clone(o.of.cells[i*n : (i+1)*n])
	}
	return rows
}

// Bytes estimates the memory in use.
func (t *Tally) Bytes() int { return 64 + t.part.bytes() }

// Figures appends all figures that are defined, in an order that depends on the Spec alone.
func (t *Tally) Figures(dst []Figure) []Figure {
	if t.Count() == 0 {
		return dst
	}
	return t.part.figures(t.spec, dst)
}

// AppendBinary appends the binary form, by which ReadTally of the same Spec makes it again.
func (t *Tally) AppendBinary(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, tallyVersion), t.spec.Fingerprint())
	return t.part.appendBinary(b)
}

// ErrSpec is why a tally or an estimate is not read that another Spec, or another calibrator, has written.
var ErrSpec = errors.New("of another specification")

var errRest = errors.New("bytes left over")

// ReadTally reads a tally that a Spec which counts the same has written, and nothing behind it.
func (s *Spec) ReadTally(b []byte) (*Tally, error) {
	t := &Tally{s, s.newPart()}
	if t.part == nil {
		return nil, errors.New("read tally: no task")
	}
	d := sketch.NewDecoder(b)
	d.Begin(tallyVersion)
	if !s.Adds(d.Uint64()) {
		d.Fail(ErrSpec)
	}
	if d.Err() == nil {
		t.part.readBinary(d)
	}
	return t, all(d, "tally")
}

// all returns the failure, if any, of reading something that is all that there is.
func all(d *sketch.Decoder, name string) error {
	rest, err := d.End(name)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("read %s: %w", name, errRest)
	}
	return err
}
