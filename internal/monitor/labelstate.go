package monitor

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/join"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Pending are predictions of a model that wait for their labels, in parts that never change.
type Pending struct {
	Model   string
	Entries []join.Entry
	// Horizon is the number before which no entry is needed any more.
	Horizon int64
}

// TakePending returns the predictions that wait since the last call, by model, or all that do.
func (s *Shard) TakePending(all bool) (out []Pending) {
	if s.labels == nil {
		return nil
	}
	for i, t := range s.labels.tables {
		if t != nil {
			out = append(out, Pending{s.group.Models[i].Name, t.TakeEntries(all), t.Horizon()})
		}
	}
	return out
}

// RestorePending completes a shard that was read by the predictions that TakePending gave, by model; it comes before all else.
func (s *Shard) RestorePending(entries map[string][]join.Stored) error {
	l := s.labels
	if l == nil {
		return nil
	}
	for i, m := range l.group.Models {
		if l.stored[i] == nil {
			continue
		}
		t, err := join.Read(joinConfig(s.group, m.config.Performance), l.stored[i], entries[m.Name])
		if err != nil {
			return err
		}
		l.tables[i], l.stored[i] = t, nil
	}
	return nil
}

// freeze returns a copy for appendModel, which does not change.
func (l *labels) freeze() *labels {
	if l == nil {
		return nil
	}
	c := &labels{group: l.group, counts: slices.Clone(l.counts), end: l.end}
	for i, t := range l.tables {
		var f *join.Frozen
		if t != nil {
			f = t.Freeze()
			c.counts[i].Evicted = t.Evicted()
		}
		c.frozen = append(c.frozen, f)
	}
	return c
}

// sums are the parts of the account that are saved.
func (c *LabelStatus) sums() [10]*uint64 {
	return [...]*uint64{
		&c.Matched, &c.Early, &c.Unmatched, &c.Duplicate, &c.Conflict, &c.Useless, &c.Expired, &c.Evicted, &c.Mispredicted, &c.Compared,
	}
}

// appendModel writes the account of a model's labels, and its table but for TakePending's part; nothing if no labels come.
func (l *labels) appendModel(b []byte, i int) []byte {
	if l == nil || l.frozen[i] == nil {
		return b
	}
	b = binary.LittleEndian.AppendUint64(b, l.group.Models[i].config.Performance.Spec.Encoding())
	c := &l.counts[i]
	for _, n := range c.sums() {
		b = binary.AppendUvarint(b, *n)
	}
	for _, x := range [...]float64{c.AbsoluteError, c.SquaredError} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return l.frozen[i].AppendBinary(b)
}

// readModel reads what appendModel wrote. What waits begins anew if it was encoded for another task, another positive class or other classes.
func (l *labels) readModel(b []byte, i int, lost func()) error {
	if l == nil || l.tables[i] == nil {
		return nil
	}
	d := sketch.NewDecoder(b)
	encoding := d.Uint64()
	c := &l.counts[i]
	for _, n := range c.sums() {
		*n = d.Count()
	}
	c.AbsoluteError, c.SquaredError = d.Float(), d.Float()
	rest, err := d.End("labels")
	switch {
	case err != nil:
		return err
	case len(rest) == 0:
		return errors.New("read labels: no table")
	case !l.group.Models[i].config.Performance.Spec.Decodes(encoding):
		lost()
	default:
		l.stored[i] = rest
	}
	return nil
}

// sealedTo returns the end of the last pane of labels that is sealed, or window.NoTime.
func (l *labels) sealedTo() int64 {
	if l == nil {
		return window.NoTime
	}
	return l.end
}
