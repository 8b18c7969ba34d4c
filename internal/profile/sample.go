package profile

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Bounds of a sample. A row is reckoned with rowBytes, a number with numberBytes and a category with
// categoryBytes; longer texts than maxSampled are not told apart.
const (
	mostSampled   = 50_000
	leastSampled  = 1000
	sampleBytes   = 24 << 20
	rowBytes      = 128
	numberBytes   = 9
	categoryBytes = 32
	maxSampled    = 64
)

// Columns are what a sample keeps of an event.
type Columns struct {
	// Schema has the features and segmentations of one model; Features and Segments are their indices in events.
	Schema             event.Schema
	Features, Segments []int
}

// most returns how many rows a sample keeps.
func (c *Columns) most() int {
	bytes := rowBytes + categoryBytes*len(c.Segments)
	for _, f := range c.Schema.Features {
		if f.Type == event.Numeric {
			bytes += numberBytes
		} else {
			bytes += categoryBytes
		}
	}
	return min(max(sampleBytes/bytes, leastSampled), mostSampled)
}

// SampleSize returns what a sample of the columns takes in bytes: as a rule, and at most.
func (c *Columns) SampleSize() (usual, most int64) {
	usual = rowBytes + categoryBytes*int64(len(c.Segments))
	most = rowBytes + (maxSampled+2)*int64(len(c.Segments))
	for _, f := range c.Schema.Features {
		if f.Type == event.Numeric {
			usual, most = usual+numberBytes, most+numberBytes
		} else {
			usual, most = usual+categoryBytes, most+maxSampled+2
		}
	}
	most += most / 8 // memory comes in steps
	return usual * int64(c.most()), most * int64(c.most())
}

// ExpectedBins returns how many bytes the bins of a reference take in a pane that is not learned yet, at most.
func (c *Columns) ExpectedBins() (bytes int64) {
	for _, f := range c.Schema.Features {
		if f.Type == event.Numeric {
			bytes += 8 * fineBins
		} else {
			bytes += 8 * MaxCategories
		}
	}
	return bytes
}

// Fingerprint identifies the columns.
func (c *Columns) Fingerprint() uint64 {
	return sketch.HashText(fmt.Appendf(nil, "%q %q", c.Schema.Features, c.Schema.Segments))
}

// Sample is a bounded part of a lane's events, from which a reference is built: those with the smallest keys, each
// key being a hash of the lane and of the event's number in it. So it depends on the lane's log alone, each event
// is as likely as any other, and samples of several lanes are one sample of all.
type Sample struct {
	columns *Columns
	lane    int
	most    int
	seen    uint64 // events so far
	rows    rowHeap
	fresh   []SampleRow // since the last call of Take
	limit   uint64      // the smallest key that was left out
	row     []byte
}

// SampleRow is an event of a sample. It never changes.
type SampleRow struct {
	Key, Number uint64
	Time        int64
	values      []byte
}

// NewSample returns an empty sample of a lane.
func NewSample(c *Columns, lane int) *Sample {
	return &Sample{columns: c, lane: lane, most: c.most(), limit: math.MaxUint64}
}

// Len returns the number of events in the sample.
func (s *Sample) Len() int { return len(s.rows) }

// Seen returns the number of events that were observed, and Limit the smallest key that was left out.
func (s *Sample) Seen() uint64 { return s.seen }

// Limit returns the smallest key of an event that is not in the sample.
func (s *Sample) Limit() uint64 { return s.limit }

// Observe takes an event in, or leaves it out. Failed requests are no data of the model.
func (s *Sample) Observe(ev *event.Event) {
	s.seen++
	key := s.key(s.seen)
	if key >= s.limit {
		return
	}
	s.row = s.columns.appendRow(s.row[:0], ev)
	r := SampleRow{key, s.seen, ev.Time, slices.Clone(s.row)}
	s.fresh = append(s.fresh, r)
	s.insert(r)
	if len(s.fresh) > 2*s.most { // nobody takes them
		s.fresh = s.kept(s.fresh)
	}
}

// key of the lane's event of that number.
func (s *Sample) key(number uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(s.lane))
	binary.LittleEndian.PutUint64(b[8:], number)
	return sketch.HashText(b[:])
}

func (s *Sample) insert(r SampleRow) {
	heap.Push(&s.rows, r)
	if len(s.rows) > s.most {
		s.limit = heap.Pop(&s.rows).(SampleRow).Key
	}
}

// kept returns those that are in the sample.
func (s *Sample) kept(rows []SampleRow) []SampleRow {
	return slices.DeleteFunc(rows, func(r SampleRow) bool { return r.Key >= s.limit })
}

// Take returns the events of the sample that came since the last call, or all.
func (s *Sample) Take(all bool) []SampleRow {
	rows := s.kept(s.fresh)
	s.fresh = nil
	if all {
		return slices.Clone(s.rows)
	}
	return rows
}

// Restore makes an empty sample what it was when it had seen so many and had that limit; rows come by Add.
func (s *Sample) Restore(seen, limit uint64) { s.seen, s.limit = seen, limit }

// Add adds a row that Take gave, of this time or an earlier one, to a restored sample.
func (s *Sample) Add(r SampleRow) {
	if r.Key < s.limit {
		heap.Push(&s.rows, r)
	}
}

// rowHeap has the largest key first.
type rowHeap []SampleRow

// Len, Less, Swap, Push and Pop are heap.Interface.
func (h rowHeap) Len() int { return len(h) }

// Less puts the largest key first.
func (h rowHeap) Less(i, j int) bool { return h[i].Key > h[j].Key }

// Swap swaps two rows.
func (h rowHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a row.
func (h *rowHeap) Push(x any) { *h = append(*h, x.(SampleRow)) }

// Pop removes the last row.
func (h *rowHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	*h = (*h)[:last]
	return r
}

// What a row has of a value: its state, or that its text is too long.
const (
	rowMissing = iota
	rowInvalid
	rowValid
	rowLong
)

func (c *Columns) appendRow(b []byte, ev *event.Event) []byte {
	for i, f := range c.Schema.Features {
		switch v := &ev.Features[c.Features[i]]; {
		case v.State == event.Missing:
			b = append(b, rowMissing)
		case v.State == event.Invalid:
			b = append(b, rowInvalid)
		case f.Type == event.Numeric:
			b = binary.LittleEndian.AppendUint64(append(b, rowValid), math.Float64bits(v.Number))
		case len(v.Text) > maxSampled:
			b = append(b, rowLong)
		default:
			b = append(append(b, rowValid, byte(len(v.Text))), v.Text...)
		}
	}
	for _, i := range c.Segments {
		if v := ev.Segments[i]; v == nil || len(v) > maxSampled {
			b = append(b, rowMissing)
		} else {
			b = append(append(b, rowValid, byte(len(v))), v...)
		}
	}
	return b
}

// longText stands for a category that was too long for a row: the builder does not tell those apart.
var longText = make([]byte, maxSampled+1)

// readRow fills in an event of the columns' own schema.
func (c *Columns) readRow(r *SampleRow, ev *event.Event) error {
	d := sketch.NewDecoder(r.values)
	*ev = event.Event{Time: r.Time, Features: make([]event.Value, len(c.Schema.Features)), Segments: make([][]byte, len(c.Segments))}
	for i, f := range c.Schema.Features {
		v := &ev.Features[i]
		switch state := d.Byte(); {
		case state == rowMissing:
			v.State = event.Missing
		case state == rowInvalid:
			v.State = event.Invalid
		case state == rowLong:
			v.State, v.Text = event.Valid, longText
		case f.Type == event.Numeric:
			v.State, v.Number = event.Valid, d.Float()
		default:
			v.State, v.Text = event.Valid, d.Bytes(int(d.Byte()))
		}
	}
	for i := range ev.Segments {
		if d.Byte() == rowValid {
			ev.Segments[i] = d.Bytes(int(d.Byte()))
		}
	}
	rest, err := d.End("row")
	if err == nil && len(rest) > 0 {
		err = errors.New("read row: bytes follow")
	}
	return err
}

// AppendRows appends the binary form of rows, for ReadRows.
func AppendRows(b []byte, rows []SampleRow) []byte {
	b = binary.AppendUvarint(b, uint64(len(rows)))
	for i := range rows {
		r := &rows[i]
		b = binary.AppendUvarint(binary.LittleEndian.AppendUint64(b, r.Key), r.Number)
		b = sketch.AppendText(binary.AppendVarint(b, r.Time), string(r.values))
	}
	return b
}

// ReadRows reads the rows of columns; they share no memory with what they are read from.
func (c *Columns) ReadRows(d *sketch.Decoder) []SampleRow {
	rows := make([]SampleRow, d.Length(11))
	var ev event.Event
	for i := range rows {
		rows[i] = SampleRow{Key: d.Uint64(), Number: d.Count(), Time: d.Varint(), values: []byte(d.Text())}
		if d.Err() == nil {
			d.Fail(c.readRow(&rows[i], &ev))
		}
	}
	return rows
}

// laneRow is a row of a lane.
type laneRow struct {
	SampleRow
	lane int
}

// rowsBefore returns the rows of all samples before the given time as those of one sample: in order of time.
func (c *Columns) rowsBefore(samples []*Sample, before int64) (rows []laneRow) {
	limit := uint64(math.MaxUint64)
	for _, s := range samples {
		n := len(rows)
		for _, r := range s.rows {
			if r.Time < before {
				rows = append(rows, laneRow{r, s.lane})
			}
		}
		if len(rows) > n { // else its limit is of events that came later
			limit = min(limit, s.limit)
		}
	}
	rows = slices.DeleteFunc(rows, func(r laneRow) bool { return r.Key >= limit })
	slices.SortFunc(rows, func(a, b laneRow) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.lane, b.lane), cmp.Compare(a.Number, b.Number))
	})
	rows = rows[:min(len(rows), c.most())]
	slices.SortFunc(rows, func(a, b laneRow) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.lane, b.lane), cmp.Compare(a.Number, b.Number))
	})
	return rows
}

// BuildFromSamples builds a reference of the columns from the samples of all lanes, of events before the given time,
// calibrated for windows of these lengths. A feature without a valid value is no part of it.
func (c *Columns) BuildFromSamples(samples []*Sample, before int64, lengths []int64, p Provenance) (*Reference, error) {
	rows := c.rowsBefore(samples, before)
	b := newLenientBuilder(c.Schema)
	b.Calibrate(lengths)
	var ev event.Event
	for i := range rows {
		if err := c.readRow(&rows[i].SampleRow, &ev); err != nil {
			return nil, err
		}
		b.Observe(&ev)
	}
	return b.Build(p)
}

// newLenientBuilder returns a builder that leaves out features without values, all of them if need be, and does not tell
// categories apart that are too long for a row.
func newLenientBuilder(s event.Schema) *Builder {
	b := NewBuilder(s)
	b.lenient = true
	return b
}
