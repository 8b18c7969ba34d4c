package monitor

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/sketch"
)

// TestHeldStates compares with the definition: the worst state of the looks within the last window length.
func TestHeldStates(t *testing.T) {
	order := []string{"", StateOK, StateWarning, StateDrift}
	rapid.Check(t, func(t *rapid.T) {
		const length = 6
		k, s := holdKey{length: length, feature: "x"}, holds{}
		looks := rapid.SliceOfN(rapid.SampledFrom(order), 1, 40).Draw(t, "looks")
		for end := 1; end <= len(looks); end++ {
			now := looks[end-1]
			got := s[k].state(now, int64(end), length)
			s.note(k, now, int64(end))
			s.expire(length, int64(end))
			want := now
			if now != "" {
				for _, earlier := range looks[max(0, end-length):end] {
					want = order[max(slices.Index(order, want), slices.Index(order, earlier))]
				}
			}
			if got != want {
				t.Fatalf("look %d of %q: %q, want %q", end, looks, got, want)
			}
		}
		for range length { // and nothing is kept for ever
			looks = append(looks, StateOK)
			s.expire(length, int64(len(looks)))
		}
		if len(s) > 0 {
			t.Fatalf("%v is kept", s)
		}
	})
}

func TestHoldsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := holds{}
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			k := holdKey{
				length: rapid.Int64().Draw(t, "length"), model: rapid.String().Draw(t, "model"), version: rapid.String().Draw(t, "version"),
				segment: rapid.String().Draw(t, "segment"), feature: rapid.String().Draw(t, "feature"),
			}
			s[k] = hold{rapid.Int64().Draw(t, "warning"), rapid.Int64().Draw(t, "drift")}
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
