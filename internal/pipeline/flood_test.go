package pipeline

import (
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
)

// All texts of a flood have one length, so that all messages of a kind have one size.
const (
	floodCategories = 20
	floodUsual      = 23  // texts that a reference knows; each feature has them all, as 20 and 23 have no common divisor
	floodKeys       = 900 // that nothing is known of, in messages that have such
)

// texts appends the texts of a stream, one at a time.
type texts func(b []byte) []byte

// number appends a number as 16 digits.
func number(b []byte, n int) []byte {
	var digits [16]byte
	for i := range digits {
		digits[len(digits)-1-i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[:]...)
}

// repeated gives the same n texts in turn.
func repeated(first, n int) func() texts {
	return func() texts {
		i := 0
		return func(b []byte) []byte { i++; return number(b, first+i%n) }
	}
}

func usual() texts { return repeated(0, floodUsual)() }

// distinct gives ever new texts.
func distinct() texts {
	i := 1 << 40
	return func(b []byte) []byte { i++; return number(b, i) }
}

// besides gives a text of b after each two of a.
func besides(a, b func() texts) func() texts {
	return func() texts {
		next, third, i := a(), b(), 0
		return func(b []byte) []byte {
			if i++; i%3 == 0 {
				return third(b)
			}
			return next(b)
		}
	}
}

// colliding gives n texts in turn whose unseeded hashes have no bit of a mask.
func colliding(n int, mask uint64) func() texts {
	var found []byte
	var text [16]byte
	for i := 0; len(found) < n*len(text); i++ {
		if number(text[:0], i); xxhash.Sum64(text[:])&mask == 0 {
			found = append(found, text[:]...)
		}
	}
	return func() texts {
		i := 0
		return func(b []byte) []byte { i++; at := i % n * len(text); return append(b, found[at:at+len(text)]...) }
	}
}

// flood is a stream of messages of one size.
type flood struct {
	name                           string
	category, id, version, segment func() texts
	key                            func() texts // nil: no unknown keys
}

// messages returns what appends the next message.
func (f *flood) messages() func(b []byte, at time.Time) []byte {
	category, id, version, segment := f.category(), f.id(), f.version(), f.segment()
	var key texts
	if f.key != nil {
		key = f.key()
	}
	return func(b []byte, at time.Time) []byte {
		b = strconv.AppendInt(append(b, `{"time":`...), at.UnixMilli(), 10)
		b = id(append(b, `,"id":"`...))
		b = version(append(b, `","model":"m","version":"`...))
		b = segment(append(b, `","segments":{"country":"`...))
		b = append(b, `"},"features":{"n":1.5`...)
		for k := range floodCategories {
			b = append(b, `,"c`...)
			b = append(category(append(b, byte('a'+k), '"', ':', '"')), '"')
		}
		if key != nil {
			for range floodKeys {
				b = append(key(append(b, `,"`...)), `":1`...)
			}
		}
		return append(b, "}}"...)
	}
}

func floodGroup(t *testing.T) *Group {
	t.Helper()
	s := event.Schema{Models: []string{"m"}, Segments: []string{"country"}, Features: []event.Feature{{Name: "n"}}}
	c := monitor.ModelConfig{Name: "m", Features: []int{0}, Segmentations: []monitor.Segmentation{{Name: "country"}}}
	for k := range floodCategories {
		c.Features = append(c.Features, len(s.Features))
		s.Features = append(s.Features, event.Feature{Name: "c" + string(rune('a'+k)), Type: event.Categorical})
	}
	value := usual()
	for range floodUsual {
		c.Segmentations[0].Values = append(c.Segmentations[0].Values, string(value(nil)))
	}
	c.Reference = floodReference(t, s)
	g := &monitor.Group{
		Schema: s, Pane: int64(10 * time.Second), Lateness: int64(30 * time.Second), MaxFuture: math.MaxInt64 / 2, Deduplicate: int64(time.Minute), MaxIDs: 1_000_000,
		Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}},
	}
	g.Models = []*monitor.Model{monitor.NewModel(c, &g.Schema)}
	out := NewGroup(g, decode.Options{}, nil, 0, true)
	out.Grow(1)
	return out
}

// floodReference knows the usual categories.
func floodReference(t *testing.T, s event.Schema) *profile.Reference {
	t.Helper()
	builder, value := profile.NewBuilder(s), usual()
	for i := range 1000 {
		ev := event.Event{Features: []event.Value{{State: event.Valid, Number: float64(i)}}, Segments: [][]byte{nil}}
		for range floodCategories {
			ev.Features = append(ev.Features, event.Value{State: event.Valid, Text: value(nil)})
		}
		builder.Observe(&ev)
	}
	r, err := builder.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run returns how long the stream's events take from bytes to results, 10,000 a pane.
func (f *flood) run(t *testing.T, events int) (took time.Duration) {
	t.Helper()
	g := floodGroup(t)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	at, next := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), f.messages()
	messages := make([]Message, 500)
	for range events / len(messages) {
		for i := range messages {
			messages[i].Value = next(messages[i].Value[:0], at)
			at = at.Add(time.Millisecond)
		}
		began := time.Now()
		in.Take(messages, 0)
		if err := g.Lane(0).Deliver(Progress{Records: len(messages), CaughtUp: true, Now: at}); err != nil {
			t.Fatal(err)
		}
		if at.UnixMilli()%10_000 == 0 { // a pane has ended
			g.Show(at)
		}
		took += time.Since(began)
	}
	if l := in.Ledger(); l.Accepted != uint64(events) { // what is judged a repeat costs less
		t.Fatalf("%s: %+v", f.name, l)
	}
	return took
}

// TestFlood holds streams whose texts are all distinct, or chosen so that their unseeded hashes collide, against
// an ordinary one of the same size: throughput stays above half of it.
func TestFlood(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures times")
	}
	events, turns := 20_000, 5
	if os.Getenv("STREAMMON_FAULTS") == "long" {
		events, turns = 500_000, 2
	}
	const low, high = 1<<12 - 1, (1<<12 - 1) << 52
	same, others := repeated(0, 1), repeated(1000, 8)
	hostile := func(name string, mask uint64) flood {
		few := colliding(2000, mask)
		return flood{name, few, colliding(events, mask), few, few, nil}
	}
	compareFloods(t, events, turns, []flood{
		{"ordinary", usual, distinct, same, usual, nil},
		{"distinct categories", distinct, distinct, same, usual, nil},
		{"distinct categories besides unknown ones that come again", besides(distinct, others), distinct, same, usual, nil},
		{"distinct everything", distinct, distinct, distinct, distinct, nil},
		hostile("low bits of hashes equal", low),
		hostile("high bits of hashes equal", high),
	})
	compareFloods(t, events/20, turns, []flood{
		{"ordinary keys", usual, distinct, same, usual, distinct},
		{"low bits of the hashes of keys equal", usual, distinct, same, usual, colliding(floodKeys, low)},
		{"high bits of the hashes of keys equal", usual, distinct, same, usual, colliding(floodKeys, high)},
	})
}

// compareFloods holds the throughput of all streams against the first one's. They take turns, so that a busy
// machine slows all, and the best turn of each counts: noise only ever adds.
func compareFloods(t *testing.T, events, turns int, streams []flood) {
	t.Helper()
	best := make([]time.Duration, len(streams))
	for range turns {
		for i := range streams {
			if took := streams[i].run(t, events); best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	size := len(streams[0].messages()(nil, time.Now()))
	for i, s := range streams {
		ratio := best[0].Seconds() / best[i].Seconds()
		t.Logf("%s: %.2f µs an event of %d bytes, %.2f of the ordinary throughput", s.name, float64(best[i].Nanoseconds())/1000/float64(events), size, ratio)
		if ratio <= 0.5 {
			t.Errorf("%s: %.2f of the ordinary throughput, want more than 0.5", s.name, ratio)
		}
	}
}
