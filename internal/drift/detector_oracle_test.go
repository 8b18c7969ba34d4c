package drift

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainADWIN keeps all panes of its window, and the number of panes in each bucket.
type plainADWIN struct {
	opt     ADWINOptions
	panes   []pane
	buckets []int
}

// add adds a pane and merges buckets, so that at most five of each size are left.
func (a *plainADWIN) add(p pane) {
	a.panes = append(a.panes, p)
	a.buckets = append(a.buckets, 1)
	for size := 1; ; size *= 2 {
		first := slices.Index(a.buckets, size)
		if first < 0 || first+5 >= len(a.buckets) || a.buckets[first+5] != size {
			return
		}
		a.buckets = slices.Replace(a.buckets, first, first+2, 2*size)
	}
}

// moments returns the number of values of panes, their mean and Σ n (mean - μ)².
func moments(panes []pane) (n, mean, squares float64) {
	sum := 0.0
	for _, p := range panes {
		sum, n = sum+p.sum, n+float64(p.n)
	}
	for _, p := range panes {
		d := p.sum/float64(p.n) - sum/n
		squares += float64(p.n) * d * d
	}
	return n, sum / n, squares
}

// factor returns by which factor the difference at a border exceeds its bound.
func (a *plainADWIN) factor(border int) float64 {
	old, recent := a.panes[:border], a.panes[border:]
	if len(a.panes) <= 10 || len(old) < 5 || len(recent) < 5 {
		return 0
	}
	k := float64(len(a.panes))
	_, _, squares := moments(a.panes)
	n0, mean0, _ := moments(old)
	n1, mean1, _ := moments(recent)
	n0 *= 1 - 4/float64(len(old))
	n1 *= 1 - 4/float64(len(recent))
	m := 1 / (1/n0 + 1/n1)
	log := math.Log(2 / (a.opt.Delta / math.Log(k)))
	if mean0 == mean1 {
		return 0
	}
	return math.Abs(mean0-mean1) / (math.Sqrt(2/m*squares/k*log) + a.opt.Range*2/(3*m)*log)
}

// largestFactor is over the borders of the buckets.
func (a *plainADWIN) largestFactor() (f float64) {
	border := 0
	for _, b := range a.buckets[:len(a.buckets)-1] {
		border += b
		f = max(f, a.factor(border))
	}
	return f
}

func (a *plainADWIN) between(border int) float64 {
	return between(a.panes, border)
}

// between is the variance between the two parts of panes at a border; 0 before the first.
func between(panes []pane, border int) float64 {
	if border == 0 {
		return 0
	}
	n0, mean0, _ := moments(panes[:border])
	n1, mean1, _ := moments(panes[border:])
	return n0 * n1 / (n0 + n1) * (mean0 - mean1) * (mean0 - mean1)
}

// TestADWINOracle compares ADWIN with a window that is kept whole: the changes, when they began, and what is left.
func TestADWINOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opt := ADWINOptions{Delta: rapid.SampledFrom([]float64{0.002, 0.5}).Draw(t, "delta"), Clock: 1, Range: rapid.SampledFrom([]float64{0, 1}).Draw(t, "range")}
		a, plain := NewADWIN(opt), &plainADWIN{opt: opt}
		for i, p := range drawPanes(t) {
			a.Update(p.sum, p.n)
			plain.add(p)
			began, change := a.State().Began, a.State().Level == Change
			f := plain.largestFactor()
			if math.Abs(f-1) < 1e-6 {
				return // either is right
			}
			if change != (f > 1) {
				t.Fatalf("pane %d: change is %v, the largest difference %v of its bound", i, change, f)
			}
			if change {
				got, border := plain.between(len(plain.panes)-1-int(began)), 0
				for _, b := range plain.buckets[:len(plain.buckets)-1] {
					border += b
					if best := plain.between(border); best > got*(1+1e-6) {
						t.Fatalf("pane %d: began %d panes ago (%v), likelier at %d of %d (%v)", i, began, got, border, len(plain.panes), best)
					}
				}
			}
			for ; f > 1; f = plain.largestFactor() {
				plain.panes = plain.panes[plain.buckets[0]:]
				plain.buckets = plain.buckets[1:]
			}
			if math.Abs(f-1) < 1e-6 {
				return
			}
			w, panes := a.window()
			n, mean, squares := moments(plain.panes)
			if int(panes) != len(plain.panes) || !near(w.n, n) || !near(w.mean, mean) || !same(w.squares, squares, 1e-6, 1e-6) {
				t.Fatalf("pane %d: window %+v of %d panes, want %v %v %v of %d", i, w, panes, n, mean, squares, len(plain.panes))
			}
		}
	})
}

// TestADWINForgets fills the window to its limit, by its buckets, and adds panes.
func TestADWINForgets(t *testing.T) {
	a := NewADWIN(ADWINOptions{})
	for row := range uint64(adwinRows) {
		for range adwinPerRow {
			k := adwinBucket{row: adwinRows - 1 - row, mean: 0.5, first: a.now + 1}
			k.n = float64(k.panes())
			a.buckets = append(a.buckets, k)
			a.now += k.panes()
		}
	}
	a.panes = a.now
	for range 1000 {
		a.Update(5, 10)
		if len(a.buckets) > adwinRows*adwinPerRow || a.Bytes() > 8<<10 || a.State().Level != OK {
			t.Fatalf("%d buckets, %d bytes, %v", len(a.buckets), a.Bytes(), a.State())
		}
	}
	if a.buckets[0].first == 1 {
		t.Error("the oldest bucket is still there")
	}
	restored(t, a, func() Detector { return NewADWIN(ADWINOptions{}) })
}

// drawScores draws panes of few scores, which rise or fall at times.
func drawScores(t *rapid.T) []pane {
	high := rapid.Float64Range(0, 1).Draw(t, "high")
	change := rapid.IntRange(0, 60).Draw(t, "change")
	var out []pane
	for i := range rapid.IntRange(0, 60).Draw(t, "panes") {
		n := rapid.Uint64Range(1, 20).Draw(t, "n")
		share := rapid.Float64Range(0, 0.5).Draw(t, "share")
		if i >= change {
			share += high / 2
		}
		out = append(out, pane{math.Round(share*64) / 64 * float64(n), n})
	}
	if rapid.Bool().Draw(t, "fall") {
		return mirrored(out)
	}
	return out
}

func mirrored(panes []pane) []pane {
	out := slices.Clone(panes)
	for i, p := range out {
		out[i].sum = float64(p.n) - p.sum
	}
	return out
}

// plainA returns the A-test's excess of the mean over the one up to the cut, in units of the bound at a level,
// and the length of the part up to the cut.
func plainA(panes []pane, cutLevel, level float64) (excess float64, cut int) {
	best := math.Inf(1)
	for k := 1; k <= len(panes); k++ {
		n, mean, _ := moments(panes[:k])
		if b := mean + math.Sqrt(math.Log(1/cutLevel)/(2*n)); b <= best {
			best, cut = b, k
		}
	}
	if cut == len(panes) {
		return 0, cut
	}
	n, mean, _ := moments(panes[:cut])
	all, meanAll, _ := moments(panes)
	return (meanAll - mean) / math.Sqrt((1/n-1/all)/2*math.Log(2/level)), cut
}

// weights returns the average of panes with the weights that each has in the end, and the sum of the
// squared weights of their values.
func weights(panes []pane, lambda float64) (mean, squares float64) {
	left := 1.0
	for i := len(panes) - 1; i >= 0; i-- {
		n := float64(panes[i].n)
		w := left * (1 - math.Pow(1-lambda, n))
		if i == 0 {
			w = left
		}
		mean += w * panes[i].sum / n
		squares += w * w / n
		left *= math.Pow(1-lambda, n)
	}
	return mean, squares
}

func plainW(panes []pane, lambda, cutLevel, level float64) (excess float64) {
	best, cut := math.Inf(1), 0
	for k := 1; k <= len(panes); k++ {
		mean, squares := weights(panes[:k], lambda)
		if b := mean + math.Sqrt(squares*math.Log(1/cutLevel)/2); b < best {
			best, cut = b, k
		}
	}
	if cut == len(panes) {
		return 0
	}
	before, v := weights(panes[:cut], lambda)
	since, w := weights(panes[cut:], lambda)
	return (since - before) / math.Sqrt((v+w)*math.Log(1/level)/2)
}

// TestHDDMOracle computes both tests from all panes since the last change, at each pane.
func TestHDDMOracle(t *testing.T) {
	const lambda = 0.01
	opt := HDDMOptions{Change: 0.01, Warning: 0.1, TwoSided: true}
	rapid.Check(t, func(t *rapid.T) {
		a, w := NewHDDMA(opt), NewHDDMW(HDDMWOptions{HDDMOptions: opt, Lambda: lambda})
		var seenA, seenW []pane
		warned := -1 // the first of the warnings that last
		for i, p := range drawScores(t) {
			a.Update(p.sum, p.n)
			w.Update(p.sum, p.n)
			seenA, seenW = append(seenA, p), append(seenW, p)
			excess := func(level float64) (up, down float64) {
				up, _ = plainA(seenA, opt.Change, level)
				down, _ = plainA(mirrored(seenA), opt.Change, level)
				return up, down
			}
			if !agree(t, "hddm_a", i, a.State().Level, excess) {
				return
			}
			switch a.State().Level {
			case OK:
				warned = -1
			case Warning:
				if warned < 0 {
					warned = len(seenA) - 1
				}
			case Change:
				checkBeganA(t, seenA, warned, a.State(), opt.Change)
				seenA, warned = nil, -1
			}
			if !agree(t, "hddm_w", i, w.State().Level, func(level float64) (up, down float64) {
				return plainW(seenW, lambda, opt.Change, level), plainW(mirrored(seenW), lambda, opt.Change, level)
			}) {
				return
			}
			if w.State().Level == Change {
				seenW = nil
			}
		}
	})
}

// checkBeganA fails unless the A-test's change began after the cut or with the warnings, whichever is
// likelier.
func checkBeganA(t *rapid.T, seen []pane, warned int, s State, level float64) {
	up, cut := plainA(seen, level, level)
	if up < 1 {
		_, cut = plainA(mirrored(seen), level, level)
	}
	if warned < 0 {
		warned = len(seen) - 1
	}
	want, a, b := cut, between(seen, cut), between(seen, warned)
	if b > a {
		want = warned
	}
	if began := len(seen) - 1 - int(s.Began); began != want && math.Abs(a-b) > 1e-9*a {
		t.Fatalf("hddm_a: began with %d, want %d (cut %d, warned %d)", began, want, cut, warned)
	}
}

// agree fails unless the level is that of the excess; it is false where either is right.
func agree(t *rapid.T, name string, i int, level string, excess func(level float64) (up, down float64)) bool {
	want := OK
	for _, l := range []struct {
		level float64
		name  string
	}{{0.1, Warning}, {0.01, Change}} {
		up, down := excess(l.level)
		if math.Abs(up-1) < 1e-9 || math.Abs(down-1) < 1e-9 {
			return false
		}
		if max(up, down) > 1 {
			want = l.name
		}
	}
	if level != want {
		t.Fatalf("%s, pane %d: %s, want %s", name, i, level, want)
	}
	return true
}

// TestDDMOracle follows the paper's formulas over panes of several values.
func TestDDMOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDDM(DDMOptions{MinPanes: 5, MinSum: 3})
		var seen []pane
		low, lowP, lowS, sum := math.Inf(1), 0.0, 0.0, 0.0
		for i, p := range drawScores(t) {
			d.Update(p.sum, p.n)
			seen = append(seen, p)
			sum += p.sum
			n, mean, _ := moments(seen)
			want := OK
			if len(seen) > 5 && sum >= 3 {
				s := math.Sqrt(mean * (1 - mean) / n)
				if mean+s <= low {
					low, lowP, lowS = mean+s, mean, s
				}
				for _, l := range []struct {
					by   float64
					name string
				}{{2, Warning}, {3, Change}} {
					if math.Abs(mean+s-lowP-l.by*lowS) < 1e-12 {
						return // either is right
					}
					if mean+s > lowP+l.by*lowS {
						want = l.name
					}
				}
			}
			if got := d.State().Level; got != want {
				t.Fatalf("pane %d: %s, want %s", i, got, want)
			}
			if want == Change {
				seen, low, sum = nil, math.Inf(1), 0
			}
		}
	})
}

// TestPageHinkleyOracle computes the sums from all panes since the last change.
func TestPageHinkleyOracle(t *testing.T) {
	opt := PageHinkleyOptions{Threshold: 3, MinPanes: 5}
	rapid.Check(t, func(t *rapid.T) {
		d := NewPageHinkley(opt)
		var seen []pane
		var up, down, lowUp, lowDown float64
		var atUp, atDown int
		for i, p := range drawScores(t) {
			d.Update(p.sum, p.n)
			seen = append(seen, p)
			_, mean, squares := moments(seen)
			z := 0.0
			if rest := p.sum/float64(p.n) - mean; math.Abs(rest) > 1e-11 {
				z = min(max(rest/math.Sqrt(squares/float64(len(seen))/float64(p.n)), -4), 4)
			}
			up, down = up+z-0.5, down-z-0.5
			if len(seen) == 1 || up < lowUp {
				lowUp, atUp = up, len(seen)
			}
			if len(seen) == 1 || down < lowDown {
				lowDown, atDown = down, len(seen)
			}
			rise, fall := up-lowUp, down-lowDown
			if math.Abs(rise-3) < 1e-6 || math.Abs(fall-3) < 1e-6 {
				return // either is right
			}
			want := State{Level: OK}
			if len(seen) >= 5 && max(rise, fall) > 3 {
				at := atUp
				if rise <= 3 {
					at = atDown
				}
				want = State{Change, uint64(len(seen) - 1 - at)}
			}
			if got := d.State(); got != want {
				t.Fatalf("pane %d: %v, want %v (rise %v, fall %v)", i, got, want, rise, fall)
			}
			if want.Level == Change {
				seen, up, down = nil, 0, 0
			}
		}
	})
}
