package eval

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

func heapNow() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSizesAreBounds fills tallies and estimates until they are as large as can be, of scores that are just not too many to be
// kept, and of all kinds of errors and items.
func TestSizesAreBounds(t *testing.T) {
	several := &Spec{Task: Multiclass, K: []int{1, 3}}
	for i := range 20 {
		several.Classes = append(several.Classes, fmt.Sprint(i))
	}
	for name, s := range map[string]*Spec{
		"binary": {Task: Binary}, "multiclass": several, "regression": {Task: Regression}, "ranking": {Task: Ranking, K: []int{1, 5, 10}}, "all of a ranking": {Task: Ranking},
	} {
		r := rand.New(rand.NewPCG(1, 1))
		var p Prediction
		var l Label
		longest := 0
		draw := func(i int) {
			x := float64(i%maxScores) / maxScores
			p = Prediction{Score: x, Class: i % 20, Value: 1e300 * r.NormFloat64(), Upper: r.Float64()}
			l = Label{Class: i / 3 % 20, Value: r.ExpFloat64()}
			if i%2 == 0 {
				p.Value = l.Value + 1/(1+1e6*r.Float64())
			}
			for range s.classes() {
				p.Probabilities = append(p.Probabilities, x)
			}
			for k := range 10 + 990*(i%100/99) {
				p.Items = append(p.Items, uint64(i*10+k)%exactItems)
			}
			l.Items = p.Items[:2]
			longest = max(longest, len(s.AppendPrediction(nil, &p)))
		}
		const copies = 20
		pairs := 1000 // as many different scores and items
		if s.Task == Regression {
			pairs = 70_000 // a histogram of more than 65,535 has wider counts
		}
		before := heapNow()
		var tallies []*Tally
		reckoned := 0
		for range copies {
			tally := NewTally(s)
			for i := range pairs {
				draw(i)
				tally.Add(&p, &l)
			}
			reckoned = max(reckoned, tally.Bytes())
			tallies = append(tallies, tally)
		}
		took := int(heapNow()-before) / copies
		runtime.KeepAlive(tallies)
		most := s.TallyBytes()
		t.Logf("%s: a tally takes %d bytes, says %d, at most %d; predictions %d of %d", name, took, reckoned, most, longest, s.PredictionBytes())
		if took > most || reckoned > most || took < most/4 || longest > s.PredictionBytes() || longest < s.PredictionBytes()/2 {
			t.Errorf("%s: the bounds are wrong", name)
		}
		if s.Task != Binary && s.Task != Multiclass {
			continue
		}
		tallies = nil
		before = heapNow()
		var estimates []*Estimate
		for range copies {
			e := NewEstimate(s, nil)
			for i := range maxScores {
				draw(i)
				e.Add(&p)
			}
			reckoned = e.Bytes()
			estimates = append(estimates, e)
		}
		took = int(heapNow()-before) / copies
		runtime.KeepAlive(estimates)
		most = s.EstimateBytes()
		t.Logf("%s: an estimate takes %d bytes, says %d, at most %d", name, took, reckoned, most)
		if took > most || reckoned > most || took < most/4 {
			t.Errorf("%s: the bounds are wrong", name)
		}
	}
}
