package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// rowsVersion is the version of the form of an entry of rows, its first byte.
const rowsVersion = 1

// learnerCut is what a lane has gathered for the reference of a model, but for the rows.
type learnerCut struct {
	model       string
	columns     uint64
	first       int64
	seen, limit uint64
	rows        []profile.SampleRow // since the cut before
}

// learners returns what the lane gathers; all is set to get all rows.
func (l *Lane) learners(all bool) (out []learnerCut) {
	for i, m := range l.group.monitor.Models {
		first, sample := l.shard.Learner(i)
		if sample == nil {
			continue
		}
		out = append(out, learnerCut{m.Name, m.Columns().Fingerprint(), first, sample.Seen(), sample.Limit(), sample.Take(all)})
	}
	return out
}

// addRows makes an entry of the rows that each model has got.
func (c *groupCut) addRows(l *Lane, learners []learnerCut) {
	if !slices.ContainsFunc(l.group.monitor.Models, func(m *monitor.Model) bool { return m.LearnsFor() > 0 }) {
		return
	}
	kind := Kind{entryRows, int64(l.index)}
	horizon := int64(window.EndOfTime)
	for _, x := range learners {
		horizon = math.MinInt64
		if len(x.rows) > 0 {
			c.entries = append(c.entries, FreshEntry{kind, int64(x.seen), func(b []byte) []byte {
				b = binary.LittleEndian.AppendUint64(sketch.AppendText(append(b, rowsVersion), x.model), x.columns)
				return profile.AppendRows(b, x.rows)
			}})
		}
	}
	c.horizons = append(c.horizons, Horizon{kind, horizon})
}

// appendLearning writes the references that were learned, and what each lane has gathered for others.
func (c *groupCut) appendLearning(b []byte) []byte {
	learned := references(c.monitor)
	b = binary.AppendUvarint(b, uint64(len(learned)))
	for _, l := range learned {
		b = sketch.AppendText(b, l.Model)
		for _, t := range [...]int64{l.Until - l.First, l.First, l.Since} {
			b = binary.AppendVarint(b, t)
		}
		b = sketch.AppendText(b, string(l.Data))
	}
	b = binary.AppendUvarint(b, uint64(len(c.lanes)))
	for i := range c.lanes {
		b = binary.AppendUvarint(b, uint64(len(c.lanes[i].learners)))
		for _, x := range c.lanes[i].learners {
			b = binary.LittleEndian.AppendUint64(sketch.AppendText(b, x.model), x.columns)
			b = binary.AppendUvarint(binary.AppendVarint(b, x.first), x.seen)
			b = binary.LittleEndian.AppendUint64(b, x.limit)
		}
	}
	return b
}

// restoreLearned reads what appendLearning wrote: it puts the references in force that are still wanted, and returns what
// the lanes had gathered.
func (g *Group) restoreLearned(b []byte) (lanes [][]learnerCut, err error) {
	if b == nil {
		return nil, nil
	}
	d := sketch.NewDecoder(b)
	var learned []Learned
	for range d.Length(5) {
		l := Learned{Model: d.Text()}
		length := d.Varint()
		l.First, l.Since = d.Varint(), d.Varint()
		l.Until, l.Data = l.First+length, []byte(d.Text())
		if i := g.monitor.Find(l.Model); i < 0 || d.Err() != nil || !g.monitor.Models[i].Learns() || g.monitor.Models[i].LearnsFor() != length {
			continue // the config wants another reference
		}
		r, err := profile.Decode(l.Data)
		d.Fail(err)
		l.Reference = r
		learned = append(learned, l)
	}
	lanes = make([][]learnerCut, d.Length(1))
	for i := range lanes {
		for range d.Length(11) {
			x := learnerCut{model: d.Text(), columns: d.Uint64(), first: d.Varint(), seen: d.Count(), limit: d.Uint64()}
			lanes[i] = append(lanes[i], x)
		}
	}
	rest, err := d.End("learning")
	if err == nil && len(rest) > 0 {
		err = errors.New("read learning: bytes follow")
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(learned, func(a, b Learned) int { return int(min(max(a.Since-b.Since, -1), 1)) })
	for _, l := range learned {
		g.succeed(g.monitor.WithLearned(l.Model, l.Learned))
	}
	return lanes, nil
}

// restoreLearners makes the lane have gathered what it had, but for models that the config has no more, that have a
// reference, or other features now: those begin anew.
func (l *Lane) restoreLearners(saved []learnerCut, lost func(model, feature string)) {
	for _, x := range saved {
		i := l.group.monitor.Find(x.model)
		if i < 0 || !l.group.monitor.Models[i].Learns() {
			continue
		}
		if l.group.monitor.Models[i].Columns().Fingerprint() != x.columns {
			lost(x.model, "learned so far")
			continue
		}
		l.shard.RestoreLearner(i, x.first, x.seen, x.limit)
	}
}

// restoreRows gives the lanes the rows of their samples.
func (g *Group) restoreRows(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.View != entryRows || int(e.Length) >= len(g.lanes) {
			continue
		}
		d := sketch.NewDecoder(e.Content)
		d.Begin(rowsVersion)
		model, columns := g.monitor.Find(d.Text()), d.Uint64()
		if _, err := d.End("rows"); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if model < 0 {
			continue
		}
		_, sample := g.lanes[e.Length].shard.Learner(model)
		own := g.monitor.Models[model].Columns()
		if sample == nil || own.Fingerprint() != columns {
			continue // it is learned, or begins anew
		}
		for _, r := range own.ReadRows(d) {
			sample.Add(r)
		}
		rest, err := d.End("rows")
		if err == nil && len(rest) > 0 {
			err = errors.New("read rows: bytes follow")
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}
