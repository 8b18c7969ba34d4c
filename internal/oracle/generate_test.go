package oracle

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestScratch(t *testing.T) {
	for seed := range uint64(20) {
		s, lanes := Generate(rand.New(rand.NewPCG(seed, 0)))
		n := 0
		for _, l := range lanes {
			n += len(l)
		}
		at := time.Now()
		out := Run(s, lanes)
		v := 0
		for _, w := range out.Windows {
			for _, f := range w.Features {
				v += len(f.Values)
			}
		}
		t.Log(seed, len(s.Models), len(lanes), n, s.Windows, s.Pane, s.Lateness, len(out.Windows), v, out.Ledger, time.Since(at).Round(time.Millisecond))
	}
}
