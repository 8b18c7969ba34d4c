package drift

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
)

// What is remembered from window to window, and what a reference works out before, changes no bit of any outcome.
func TestMemoChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	ref := numericSample(rng, 5_000, 0)
	ref.Absent = 100
	ref.Calibration = &Calibration{
		Disjoint: 30, Windows: 240, Size: 250, Bins: 10, Trace: 0.02, Square: 0.0002, Degrees: 7,
		Excess: map[string]float64{"psi": 0.02, "js": 0.02, "kl": 0.01, "hellinger": 0.02, "tvd": 0.01, "chi2": 0.02, "ks": 0.01, "wasserstein": 0.02, "missing": 0.001},
	}
	independent := ref
	independent.Calibration = nil
	prepared := ref
	prepared.Prepare()
	memo, tiny := NewMemo(), newMemo(2) // in which tails drive each other out
	alphas := []float64{0.1, 0.01, 0.001, 0.001 / 2, 0.001 / 3}
	states := map[string]int{}
	for i := range 400 {
		cur := numericSample(rng, 20+10*rng.IntN(40), []float64{0, 0.2, 1}[rng.IntN(3)])
		cur.Absent = uint64(rng.IntN(20))
		alpha := alphas[rng.IntN(len(alphas))]
		for name, c := range map[string]struct {
			ref, same Sample
			memo      *Memo
		}{
			"memo": {ref, ref, memo}, "tiny memo": {ref, ref, tiny}, "independent": {independent, independent, memo},
			"prepared": {ref, prepared, memo}, "no memo": {ref, prepared, nil},
		} {
			opt := Options{MinSamples: 50, Alpha: alpha, DecideBy: []string{"psi", "ks", "wasserstein"}[i%3]}
			want, state := Evaluate(c.ref, cur, opt)
			opt.Memo = c.memo
			got, gotState := Evaluate(c.same, cur, opt)
			states[state]++
			if gotState != state || len(got) != len(want) {
				t.Fatalf("%s, window %d: state %q of %d outcomes, want %q of %d", name, i, gotState, len(got), state, len(want))
			}
			for k := range want {
				if !sameBits(got[k], want[k]) {
					t.Fatalf("%s, window %d: got %+v, want %+v", name, i, got[k], want[k])
				}
			}
		}
	}
	if states[""] == 0 || states[OK] == 0 || states[Warning] == 0 || states[Drift] == 0 {
		t.Errorf("states %v, want some of each", states)
	}
}

func sameBits(a, b Outcome) bool {
	bits := math.Float64bits
	return a.Statistic == b.Statistic && bits(a.Value) == bits(b.Value) && bits(a.PValue) == bits(b.PValue) && bits(a.Threshold) == bits(b.Threshold)
}

// A tail answers as the probability itself does, in whatever order it is asked.
func TestTail(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	memo := NewMemo()
	for range 20_000 {
		dof, nu, alpha := float64(1+rng.IntN(3)), [...]float64{5, 29, math.Inf(1)}[rng.IntN(3)], [...]float64{0.1, 0.001}[rng.IntN(2)]
		form := unitForm{dof, nu, [...]float64{0, 9}[rng.IntN(2)]}
		tail, x := memo.tail(form, alpha), 20*rng.Float64()
		if got, want := tail.significant(x), form.survival(x) <= alpha; got != want {
			t.Fatalf("%+v at %g: significant %v at %g, want %v", form, x, got, alpha, want)
		}
		if got, want := tail.quantile(), form.quantile(alpha); got != want {
			t.Fatalf("%+v exceeds %g with probability %g, want %g", form, got, alpha, want)
		}
	}
}

// TestKeptMemory holds what a memo and a prepared reference take against what is said of them.
func TestKeptMemory(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 100
	before := heap()
	memos := make([]*Memo, n)
	for i := range memos {
		memos[i] = NewMemo()
	}
	each := (heap() - before) / n
	runtime.KeepAlive(memos)
	if t.Logf("a memo: %d bytes of %d", each, MemoBytes); each > MemoBytes*21/20 || each < MemoBytes/2 {
		t.Error("the bound of a memo is wrong")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for name, draw := range map[string]func() float64{
		"normal":            rng.NormFloat64,
		"as wide as can be": func() float64 { return math.Ldexp(rng.Float64()-0.5, rng.IntN(300)-150) },
	} {
		h := sketch.NewExpHistogram(0)
		for range 200_000 {
			h.Add(draw())
		}
		before, samples := heap(), make([]Sample, n)
		for i := range samples {
			samples[i].Exp = &h
			samples[i].Prepare()
		}
		each := (heap() - before) / n
		runtime.KeepAlive(samples)
		if t.Logf("%s: %d bytes of %d", name, each, PreparedBytes); each > PreparedBytes || name != "normal" && each < PreparedBytes/2 {
			t.Error("the bound of what is prepared is wrong")
		}
	}
}
