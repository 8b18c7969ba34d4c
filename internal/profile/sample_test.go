package profile

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

func sampleColumns() *Columns {
	s := mixedSchema()
	return &Columns{Schema: s, Features: []int{0, 1}, Segments: []int{0}}
}

func drawSampled(t *rapid.T, at int64) *event.Event {
	ev := &event.Event{Time: at, Features: drawRow(t), Segments: [][]byte{nil}}
	if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
		ev.Features[1] = event.Value{State: event.Valid, Text: []byte(strings.Repeat("x", rapid.IntRange(60, 300).Draw(t, "length")))}
	}
	if rapid.Bool().Draw(t, "segment") {
		ev.Segments[0] = []byte(rapid.SampledFrom([]string{"", "DE", "FR"}).Draw(t, "country"))
	}
	return ev
}

// TestSampleOfFewEvents: a reference from samples that hold all is what the builder makes of all, in whatever lanes they
// are, but that long categories are not told apart and features without values are left out.
func TestSampleOfFewEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, b := sampleColumns(), newLenientBuilder(mixedSchema())
		lengths := []int64{7, 20}
		b.Calibrate(lengths)
		samples := []*Sample{NewSample(c, 0), NewSample(c, 1), NewSample(c, 2)}
		for i := range rapid.IntRange(1, 100).Draw(t, "events") {
			ev := drawSampled(t, int64(100+i))
			samples[rapid.IntRange(0, 2).Draw(t, "lane")].Observe(ev)
			if ev.Time >= 150 {
				continue
			}
			b.Observe(ev)
		}
		want, err := b.Build(Provenance{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.BuildFromSamples(samples, 150, lengths, Provenance{})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := got.Encode()
		z, _ := want.Encode()
		if !bytes.Equal(a, z) {
			t.Fatalf("from samples\n%s\nfrom all\n%s", a, z)
		}
	})
}

// TestSampleOfHugeValues: a reference can be made of any numbers that events may have.
func TestSampleOfHugeValues(t *testing.T) {
	c := &Columns{Schema: numericSchema(), Features: []int{0}}
	for _, xs := range [][]float64{{math.MaxFloat64, -math.MaxFloat64}, {math.MaxFloat64}, {math.SmallestNonzeroFloat64, -math.MaxFloat64, 0}, {1e308, 1e308, -1e308}} {
		s := NewSample(c, 0)
		for i := range 100 {
			s.Observe(&event.Event{Time: int64(1 + i), Features: []event.Value{{State: event.Valid, Number: xs[i%len(xs)]}}})
		}
		r, err := c.BuildFromSamples([]*Sample{s}, 1000, []int64{3, 10}, Provenance{})
		var data []byte
		if err == nil {
			data, err = r.Encode()
		}
		if err == nil {
			_, err = Decode(data)
		}
		if err != nil {
			t.Errorf("%g: %v", xs, err)
		}
	}
}

// TestRestoredSample: a sample that is stored and read again at any time, also after the newest store was lost, is that of
// one that never was.
func TestRestoredSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := sampleColumns()
		small := func() *Sample {
			s := NewSample(c, 3)
			s.most = 5
			return s
		}
		plain, stored := small(), small()
		type save struct {
			seen, limit uint64
			rows        [][]byte
		}
		saves := []save{{limit: plain.limit}}
		var events []*event.Event
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			ev := drawSampled(t, int64(i))
			events = append(events, ev)
			plain.Observe(ev)
			stored.Observe(ev)
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				last := saves[len(saves)-1]
				saves = append(saves, save{stored.Seen(), stored.Limit(), append(slices.Clone(last.rows), AppendRows(nil, stored.Take(false)))})
			case 1:
				if rapid.Bool().Draw(t, "older") && len(saves) > 1 {
					saves = saves[:len(saves)-1]
				}
				s := saves[len(saves)-1]
				stored = small()
				stored.Restore(s.seen, s.limit)
				for _, rows := range s.rows {
					for _, r := range c.ReadRows(sketch.NewDecoder(rows)) {
						stored.Add(r)
					}
				}
				for _, ev := range events[s.seen:] {
					stored.Observe(ev)
				}
			}
		}
		byKey := func(s *Sample) string {
			rows := slices.Clone(s.rows)
			slices.SortFunc(rows, func(a, b SampleRow) int { return int(int64(a.Number) - int64(b.Number)) })
			return fmt.Sprint(s.seen, s.limit, rows)
		}
		if a, b := byKey(plain), byKey(stored); a != b || plain.Len() != min(len(events), 5) {
			t.Fatalf("%s\nrestored\n%s", a, b)
		}
		if a, b := len(stored.Take(true)), plain.Len(); a != b {
			t.Fatalf("%d of %d rows", a, b)
		}
	})
}

// TestSampleIsFair: of two lanes of which one has nine times the events of the other, a tenth of the sample is of the
// latter, and a drift within a lane is in the sample as in the events.
func TestSampleIsFair(t *testing.T) {
	c := &Columns{Schema: numericSchema(), Features: []int{0}}
	a, b := NewSample(c, 0), NewSample(c, 1)
	a.most, b.most = 2000, 2000
	for i := range 90_000 {
		a.Observe(&event.Event{Time: int64(i), Features: []event.Value{{State: event.Valid, Number: float64(i) / 90_000}}})
	}
	for i := range 10_000 {
		b.Observe(&event.Event{Time: int64(i), Features: []event.Value{{State: event.Missing}}})
	}
	r, err := c.BuildFromSamples([]*Sample{a, b}, 1<<40, nil, Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Find("x")
	// Five standard deviations: of a tenth of 2,222 rows, and of a mean of 2,000 values.
	if f.Count != 2000 || f.Missing < 152 || f.Missing > 292 {
		t.Errorf("%d rows of the first lane, %d of the second", f.Count, f.Missing)
	}
	if mean := f.Moments.Mean; mean < 0.468 || mean > 0.532 {
		t.Errorf("the mean of the first lane is %g", mean)
	}
}

// TestSampleOfLateLane: a lane that begins after the time, or has nothing to give, takes nothing away, and a reference can be
// made of nothing.
func TestSampleOfLateLane(t *testing.T) {
	c := &Columns{Schema: numericSchema(), Features: []int{0}}
	early, late := NewSample(c, 0), NewSample(c, 1)
	late.most = 10
	for i := range 10_000 {
		late.Observe(&event.Event{Time: 1000, Features: []event.Value{{State: event.Valid, Number: 5}}})
		if i < 20 {
			early.Observe(&event.Event{Time: 1, Features: []event.Value{{State: event.Valid, Number: 1}}})
		}
	}
	for samples, want := range map[*[]*Sample]uint64{{early, late}: 20, {late}: 0, {}: 0} {
		r, err := c.BuildFromSamples(*samples, 1000, nil, Provenance{})
		if err != nil || r.Rows != want || len(r.Features) != int(min(want, 1)) {
			t.Fatalf("%v: %+v, want %d rows", err, r, want)
		}
		data, err := r.Encode()
		if err == nil {
			_, err = Decode(data)
		}
		if err != nil {
			t.Errorf("%d rows: %v", want, err)
		}
	}
}

// TestSampleSize: what a full sample takes is at most what is reckoned.
func TestSampleSize(t *testing.T) {
	c := &Columns{Segments: []int{0}}
	for i := range 100 {
		c.Features = append(c.Features, i)
		c.Schema.Features = append(c.Schema.Features, event.Feature{Name: fmt.Sprint(i), Type: event.Type(i % 2)})
	}
	c.Schema.Segments = []string{"s"}
	s := NewSample(c, 0)
	ev := &event.Event{Segments: [][]byte{bytes.Repeat([]byte("s"), maxSampled)}}
	for range 100 {
		ev.Features = append(ev.Features, event.Value{State: event.Valid, Number: 1, Text: bytes.Repeat([]byte("x"), maxSampled)})
	}
	for range 3 * c.most() {
		s.Observe(ev)
	}
	var bytes int64
	for _, r := range s.rows {
		bytes += 40 + int64(cap(r.values))
	}
	bytes += 40 * int64(len(s.fresh))
	if usual, most := c.SampleSize(); s.Len() != c.most() || bytes > most || usual > most {
		t.Errorf("%d rows take %d bytes, %d as a rule, %d at most", s.Len(), bytes, usual, most)
	}
}
