package eval

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBins checks that bins rise with the score, that scores lie between the edges of theirs, and that each bin can be reached.
func TestBins(t *testing.T) {
	reached := map[int]bool{}
	for i := range bins {
		if !within(i) {
			continue
		}
		low, high := edges(i)
		if !(low < high) || i+1 < bins-outside && high != first(edges(i+1)) {
			t.Fatalf("bin %d is from %v to %v", i, low, high)
		}
		middle := low + (high-low)/2
		if got := bin(middle); got != i {
			t.Fatalf("the middle %v of bin %d is in bin %d", middle, i, got)
		}
		reached[i] = true
	}
	for e := -5.; e < 8; e += 1. / 32 {
		reached[bin(-math.Exp2(e))], reached[bin(1+math.Exp2(e))] = true, true
	}
	if len(reached) != bins {
		t.Fatalf("%d bins reached", len(reached))
	}
	for x, want := range map[float64]int{0: outside, 1: bins - outside - 1, 0.5: half, math.Nextafter(0.5, 0): half - 1,
		-5e-324: outside - 1, math.Nextafter(1, 2): bins - outside, -math.MaxFloat64: 0, math.MaxFloat64: bins - 1, 5e-324: outside} {
		if got := bin(x); got != want {
			t.Errorf("bin of %v is %d, want %d", x, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(-50, 50), rapid.Float64(), rapid.Map(rapid.Float64Range(0, 700), func(x float64) float64 { return math.Exp(-x) }))
		x, y := kinds.Draw(t, "x")+0, kinds.Draw(t, "y")+0
		if x > y {
			x, y = y, x
		}
		i, j := bin(x), bin(y)
		if i > j || i < 0 || j >= bins || proper(x) != within(i) {
			t.Fatalf("%v in bin %d, %v in %d", x, i, y, j)
		}
		if low, high := edges(min(max(i, outside), bins-outside-1)); within(i) && !(low <= x && x <= high) {
			t.Fatalf("%v in bin %d from %v to %v", x, i, low, high)
		}
	})
}

func first(a, _ float64) float64 { return a }

// scored is a score with its truth.
type scored struct {
	x     float64
	truth int
}

func scoresOf(rows []scored) *scores {
	h := &scores{}
	for _, r := range rows {
		h.add(r.x, uint64(1-r.truth), uint64(r.truth))
	}
	return h
}

// drawScored returns rows of one of several kinds, with ties or so many different scores that they are binned.
func drawScored(t *rapid.T, label string) []scored {
	n := rapid.SampledFrom([]int{0, 1, 2, 7, 60, 1000, 1030, 3000}).Draw(t, label+" length")
	kind := rapid.IntRange(0, 3).Draw(t, label+" kind")
	seed := rapid.Uint64().Draw(t, label+" seed")
	rows := make([]scored, n)
	for i := range rows {
		u := uniform(&seed)
		switch kind {
		case 1:
			u = math.Round(u*10) / 10
		case 2:
			u = math.Exp(-12 * u)
		case 3:
			u = 8*u - 4
		}
		rows[i] = scored{u, 0}
		if uniform(&seed) < 0.2+0.6*u {
			rows[i].truth = 1
		}
	}
	return rows
}

// uniform is a generator that is the same everywhere (SplitMix64).
func uniform(state *uint64) float64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

// TestScoresLaws holds scores to being a function of the multiset alone.
func TestScoresLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, more := drawScored(t, "rows"), drawScored(t, "more")
		all := slices.Concat(more, rows)
		want := scoresOf(all).appendBinary(nil)
		seed := rapid.Uint64().Draw(t, "order")
		for i := len(all) - 1; i > 0; i-- {
			j := int(uniform(&seed) * float64(i+1))
			all[i], all[j] = all[j], all[i]
		}
		merged := &scores{}
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			part := scoresOf(rest[:n])
			form := part.appendBinary(nil)
			merged.merge(part)
			if !bytes.Equal(part.appendBinary(nil), form) {
				t.Fatal("merging changed what was merged")
			}
			rest = rest[n:]
		}
		if !bytes.Equal(merged.appendBinary(nil), want) {
			t.Fatal("what was parted and merged is another")
		}
		if wantBins := distinctScores(all) > maxScores; merged.binned != wantBins {
			t.Fatalf("binned %v, want %v", merged.binned, wantBins)
		}
	})
}

func distinctScores(rows []scored) int {
	xs := make([]float64, len(rows))
	for i, r := range rows {
		xs[i] = r.x
	}
	return distinct(xs)
}

// falling returns rows by their score, the highest first.
func falling(rows []scored) []scored {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b scored) int {
		switch {
		case a.x > b.x:
			return -1
		case a.x < b.x:
			return 1
		}
		return 0
	})
	return rows
}

// naiveArea counts pairs one by one.
func naiveArea(rows []scored) float64 {
	var right, pairs float64
	for _, p := range rows {
		for _, n := range rows {
			if p.truth == 0 || n.truth == 1 {
				continue
			}
			pairs++
			if p.x > n.x {
				right++
			} else if p.x == n.x {
				right += 0.5
			}
		}
	}
	return right / pairs
}

// naivePrecision takes the precision at each positive's own score.
func naivePrecision(rows []scored) float64 {
	var sum, positives float64
	for _, p := range rows {
		if p.truth == 0 {
			continue
		}
		var hits, n float64
		for _, r := range rows {
			if r.x >= p.x {
				n++
				hits += float64(r.truth)
			}
		}
		sum += hits / n
		positives++
	}
	return sum / positives
}

// naiveGain gives each of equal scores its share of the place that is left for them.
func naiveGain(rows []scored, top float64) float64 {
	var got, positives float64
	left := top * float64(len(rows))
	rows = falling(rows)
	for i := 0; i < len(rows); {
		n, p := 0, 0
		for ; i+n < len(rows) && rows[i+n].x == rows[i].x; n++ {
			p += rows[i+n].truth
		}
		got += float64(p) * min(max(left/float64(n), 0), 1)
		left -= float64(n)
		i += n
		positives += float64(p)
	}
	return got / positives
}

// naiveMass groups sorted rows by the middle of the run of equal scores.
func naiveMass(rows []scored) float64 {
	rows = slices.DeleteFunc(falling(rows), func(r scored) bool { return !proper(r.x) })
	slices.Reverse(rows)
	var gaps [groups]float64
	for _, r := range rows {
		below := slices.IndexFunc(rows, func(o scored) bool { return o.x == r.x })
		end := below
		for end < len(rows) && rows[end].x == r.x {
			end++
		}
		g := min(int(groups*(float64(below+end)/2)/float64(len(rows))), groups-1)
		gaps[g] += float64(r.truth) - r.x
	}
	sum := 0.0
	for _, g := range gaps {
		sum += math.Abs(g)
	}
	return sum / float64(len(rows))
}

// TestCurveAgainstNaive compares all figures of the order with what counting row by row gives: the same while scores are exact,
// within the bounds when they are binned.
func TestCurveAgainstNaive(t *testing.T) {
	binned := 0
	rapid.Check(t, func(t *rapid.T) {
		rows := drawScored(t, "rows")
		h := scoresOf(rows)
		c := h.curve(1)
		for _, x := range []struct {
			got  Figure
			want float64
		}{
			{c.area(), naiveArea(rows)}, {c.precision(), naivePrecision(rows)}, {c.calibration(), naiveMass(rows)},
			{c.gain(0.01), naiveGain(rows, 0.01)}, {c.gain(0.1), naiveGain(rows, 0.1)}, {c.gain(0.7), naiveGain(rows, 0.7)},
		} {
			f := x.got
			if math.IsNaN(x.want) != math.IsNaN(f.Value) {
				t.Fatalf("%+v, want %v", f, x.want)
			}
			if !math.IsNaN(x.want) && !(f.Low <= f.Value+1e-12 && f.Value <= f.High+1e-12) {
				t.Fatalf("%+v", f)
			}
			if !h.binned && !math.IsNaN(x.want) && (!nearly(f.Value, x.want, 1e-9) || f.Low != f.Value || f.High != f.Value) {
				t.Fatalf("%+v, want %v", f, x.want)
			}
			if h.binned && !(f.Low-1e-9 <= x.want && x.want <= f.High+1e-9) && f.Name != "calibration_error_equal_mass" {
				t.Fatalf("%+v, want %v", f, x.want)
			}
			if h.binned && f.High-f.Low > 0.05 {
				t.Fatalf("%+v: far apart", f)
			}
		}
		if h.binned {
			binned++
		}
	})
	if binned == 0 {
		t.Error("no draw was binned")
	}
}

// TestCalibrationWithEqualMassInBins says how far the middles of bins are from their scores' means: groups may differ by a few scores from those
// of single scores, so that the bounds are those of the bins' own groups.
func TestCalibrationWithEqualMassInBins(t *testing.T) {
	seed := uint64(5)
	rows := make([]scored, 6000)
	for i := range rows {
		x := uniform(&seed)
		rows[i].x = x
		if uniform(&seed) < x*x {
			rows[i].truth = 1
		}
	}
	f := scoresOf(rows).curve(1).calibration()
	if want := naiveMass(rows); math.Abs(f.Value-want) > 0.001 || f.High-f.Low > 0.01 || f.Low > want || f.High < want {
		t.Errorf("%+v, want about %v", f, want)
	}
}

// TestLeastPrecision compares with the sum.
func TestLeastPrecision(t *testing.T) {
	for _, c := range [][3]float64{{0, 1, 0}, {0, 5, 3}, {7, 100, 1}, {1000, 3, 50000}, {0, 1, 1e6}} {
		want := 0.0
		for j := 1.; j <= c[1]; j++ {
			want += (c[0] + j) / (c[0] + j + c[2])
		}
		if got := leastPrecision(c[0], c[1], c[2]); got > want+1e-9*want || got < 0.85*want-1e-6 {
			t.Errorf("%v: %v, want at most %v", c, got, want)
		}
	}
}
