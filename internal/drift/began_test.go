package drift

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBegan finds when a change began to the pane, nearly always, if it is one to be called drift.
func TestBegan(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	ref := multinomial(rng, 100_000, even(10))
	moved := even(10)
	for i := range moved { // a PSI of 0.14
		moved[i] *= 0.55 + 0.1*float64(i)
	}
	within := 0
	const trials = 200
	for range trials {
		at := rng.IntN(50)
		var panes [][]uint64
		for i := range 60 {
			shares := even(10)
			if i >= at {
				shares = moved
			}
			panes = append(panes, multinomial(rng, 50, shares))
		}
		if got := Began(ref, panes); got >= at-2 && got <= at+2 {
			within++
		}
	}
	if within < trials*8/10 {
		t.Errorf("%d of %d are within two panes", within, trials)
	}
}

func TestBeganOfEmptyPanes(t *testing.T) {
	ref := []uint64{50, 50}
	for _, c := range []struct {
		panes [][]uint64
		want  int
	}{
		{nil, -1},
		{[][]uint64{nil, {0, 0}}, -1},
		{[][]uint64{{5, 5}, nil, {0, 10}, {0, 0}}, 2},
		{slices.Repeat([][]uint64{{0, 9}}, 3), 0},
	} {
		if got := Began(ref, c.panes); got != c.want {
			t.Errorf("%v: pane %d, want %d", c.panes, got, c.want)
		}
	}
}
