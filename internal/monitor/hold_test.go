package monitor

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
)

// TestHeldStates compares with the definition, and checks what it is for: a state lasts for a window length.
func TestHeldStates(t *testing.T) {
	order := []string{"", StateOK, StateWarning, StateDrift}
	rank := func(s string) int { return slices.Index(order, s) }
	rapid.Check(t, func(t *rapid.T) {
		const length = 12
		k, s := holdKey{length: length, feature: "x"}, holds{}
		looks := rapid.SliceOfN(rapid.SampledFrom(order), 1, 80).Draw(t, "looks")
		until := map[string]int{} // the look at which a state is no longer held
		var states []string
		for i, now := range looks {
			end := i + 1
			got := s[k].state(now, int64(end), length)
			s.note(k, now, int64(end))
			s.expire(length, int64(end))
			want := now
			for _, state := range order[2:] {
				if rank(now) >= rank(state) {
					if end >= until[state] {
						until[state] = end + length
					}
					until[state] = max(until[state], end+length/release+1)
				}
				if now != "" && end < until[state] {
					want = order[max(rank(want), rank(state))]
				}
			}
			if got != want {
				t.Fatalf("look %d of %q: %q, want %q", end, looks, got, want)
			}
			states = append(states, got)
		}
		if changes := downs(states, length); changes > 1 && !slices.Contains(looks, "") {
			t.Fatalf("%q: %d falls within a window length", states, changes)
		}
		for range 2 * length { // and nothing is kept for ever
			looks = append(looks, StateOK)
			s.expire(length, int64(len(looks)))
		}
		if len(s) > 0 {
			t.Fatalf("%v is kept", s)
		}
	})
}

// downs returns how often a state falls to OK within any window length, at most.
func downs(states []string, length int) (most int) {
	for i := range states {
		n := 0
		for j := i + 1; j < min(i+length, len(states)); j++ {
			if states[j] == StateOK && states[j-1] != StateOK {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestHoldsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := holds{}
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			k := holdKey{
				length: rapid.Int64().Draw(t, "length"), model: rapid.String().Draw(t, "model"), version: rapid.String().Draw(t, "version"),
				segment: rapid.String().Draw(t, "segment"), feature: rapid.String().Draw(t, "feature"),
			}
			s[k] = hold{span{rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")}, span{rapid.Int64().Draw(t, "c"), rapid.Int64().Draw(t, "d")}, rapid.Int64().Draw(t, "since")}
		}
		b := s.appendBinary(nil)
		d := sketch.NewDecoder(b)
		back := readHolds(d)
		if rest, err := d.End("holds"); err != nil || len(rest) > 0 || !maps.Equal(s, back) {
			t.Fatalf("%v, %d bytes left: %v, want %v", err, len(rest), back, s)
		}
		for cut := range b {
			d := sketch.NewDecoder(b[:cut])
			if readHolds(d); d.Err() == nil && len(s) > 0 {
				t.Fatalf("%d of %d bytes are read", cut, len(b))
			}
		}
	})
}

// referencedGroup is testGroup with a reference of x, uniform in [0, 1).
func referencedGroup(t *testing.T, windows ...time.Duration) *Group {
	t.Helper()
	g := testGroup(windows...)
	g.Schema.Features = g.Schema.Features[:1]
	b := profile.NewBuilder(g.Schema)
	for i := range 5000 {
		b.Observe(&event.Event{Features: []event.Value{{State: event.Valid, Number: float64(i*7919%5000) / 5000}}, Segments: [][]byte{nil}})
	}
	ref, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	g.Models = []*Model{NewModel(ModelConfig{Name: "m", Features: []int{0}, Reference: ref, Verdicts: Verdicts{MinSamples: 100}}, &g.Schema)}
	return g
}

// TestStateIsHeldAndDated moves a feature for three minutes: the state stays for a window length after the
// last window that shows it, and says since when.
func TestStateIsHeldAndDated(t *testing.T) {
	g := referencedGroup(t, time.Minute)
	g.Models[0].Verdicts.FalseAlarms = drift.FalseAlarms{Count: 1, Per: int64(24 * time.Hour)} // at a level of 1 % a look there is one by chance
	shard, v := NewShard(g), NewView(g, 1)
	random := rand.New(rand.NewPCG(1, 2))
	const from, to, panes = 60, 78, 120 // the panes that are moved
	var results []*Result
	for i := range panes {
		for k := range 100 {
			x := random.Float64()
			if i >= from && i < to {
				x *= x
			}
			ev := prediction(base+(int64(i)*10+int64(k)/10)*second, "1", x, "")
			ev.Features = ev.Features[:1]
			shard.Apply(ev)
		}
		v.Deliver(0, shard.TakeSealed())
		v.Advance(shard.Frontier(), func(_ int64, rs []*Result) { results = append(results, rs...) })
	}
	var changes []int64 // of the state
	state := StateOK
	for _, r := range results {
		f := r.Features[0]
		if pane := (r.End.UnixNano() - base) / (10 * second); f.State != "" && f.State != state {
			state = f.State
			changes = append(changes, pane)
		}
		if since := (f.Since - base) / (10 * second); f.State == StateOK != (f.Since == 0) || f.Since != 0 && (since < from-1 || since > from+1) {
			t.Errorf("%s: %s since pane %d", r.End, f.State, since)
		}
	}
	// Up within a window, first as a warning perhaps; down a slide after the last window that holds a moved pane, at the latest.
	if n := len(changes); n < 2 || changes[0] <= from || changes[0] > from+6 || state != StateOK || changes[n-1] < to+2 || changes[n-1] > to+8 {
		t.Errorf("the state changed at panes %v, and is %s", changes, state)
	}
}
