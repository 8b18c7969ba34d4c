package drift

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"github.com/streammon/streammon/internal/sketch"
)

// ADWINOptions are the options of ADWIN; the zero value has the defaults.
type ADWINOptions struct {
	// Delta is the confidence: about the probability of a false cut at a look. In
	// (0, 1); 0.002 by default.
	Delta float64
	// Clock is the number of panes from look to look; 1 by default.
	Clock uint64
	// Range is the length of the interval in which single values lie: 1 for a ratio.
	// 0 is unknown: then the means are taken as normal.
	Range float64
}

// ADWIN keeps a window as long as the mean is the same all over it: Bifet and Gavaldà,
// "Learning from time-changing data with adaptive windowing" (2007): ADWIN2, with
// their bound that knows the variance.
//
// The window is an exponential histogram: up to five buckets each of 1, 2, 4 ... panes.
// At a look, each border between two buckets cuts it in two; if the means differ by
// more than
//
//	sqrt(2/m σ² ln(2/δ')) + Range 2/(3m) ln(2/δ'),   δ' = δ/ln(panes), 1/m = 1/n0 + 1/n1
//
// the oldest bucket is dropped, and again until no cut is left: what remains is the window
// after the change, which goes on. n0 and n1 are the values of the parts, less what four
// average panes have, so that a few panes need a large difference; each part has at
// least five panes. The variance is the one between panes, Σ n (mean - μ)² over the number
// of panes: for independent values that is the variance of a value, and where values
// of a pane depend on each other it is larger, as it should be.
//
// The change is estimated to have begun at the border at which the variance between the two
// parts is largest (the likeliest one for normal means). Memory is bounded: of more than about 80 million panes,
// the oldest are dropped.
type ADWIN struct {
	course
	opt     ADWINOptions
	panes   uint64 // not empty, since the last Reset
	buckets []adwinBucket
}

// adwinBucket is a sequence of 2^row panes.
type adwinBucket struct {
	n, mean float64
	squares float64 // Σ n (mean - μ)² over its panes
	first   uint64  // the number of its first pane
	row     uint64
}

const (
	adwinPerRow = 5
	adwinRows   = 24
	// adwinMinPanes is the smallest window that is looked at, adwinMinSide the smallest
	// part of a cut, in panes.
	adwinMinPanes = 11
	adwinMinSide  = 5
	// rounding is a difference of means, relative to them, that may be none.
	rounding = 1e-12
	// maxValues and maxSquares are more than can come from figures.
	maxValues, maxSquares = 1e30, 1e220
)

// NewADWIN returns an empty ADWIN.
func NewADWIN(o ADWINOptions) *ADWIN {
	o.Delta, o.Clock = share(o.Delta, 0.002), max(o.Clock, 1)
	o.Range = positive(o.Range, 0)
	return &ADWIN{opt: o}
}

// Update takes the next pane.
func (a *ADWIN) Update(sum float64, n uint64) {
	a.pass()
	if !isFigure(sum, n) {
		return
	}
	a.panes++
	a.buckets = append(a.buckets, adwinBucket{n: float64(n), mean: sum / float64(n), first: a.now})
	a.compress()
	if a.panes%a.opt.Clock != 0 {
		return
	}
	for w, panes := a.window(); a.isCut(w, panes); w, panes = a.window() {
		if a.state.Level != Change {
			a.state = State{Change, a.now - a.likeliest(w)}
		}
		a.buckets = slices.Delete(a.buckets, 0, 1)
	}
}

// compress merges the two oldest buckets of each row that has too many.
func (a *ADWIN) compress() {
	end := len(a.buckets)
	for row := uint64(0); ; row++ {
		start := end
		for start > 0 && a.buckets[start-1].row == row {
			start--
		}
		if end-start <= adwinPerRow {
			return
		}
		if row == adwinRows-1 {
			a.buckets = slices.Delete(a.buckets, 0, 1)
			return
		}
		a.buckets[start].merge(&a.buckets[start+1])
		a.buckets[start].row++
		a.buckets = slices.Delete(a.buckets, start+1, start+2)
		end = start + 1
	}
}

// merge adds the panes of o, as in Chan, Golub and LeVeque 1979.
func (b *adwinBucket) merge(o *adwinBucket) {
	n, d := b.n+o.n, o.mean-b.mean
	b.squares += o.squares + float64(d*d*b.n*(o.n/n))
	b.mean += float64(d * (o.n / n))
	b.n = n
}

func (b *adwinBucket) panes() uint64 { return 1 << b.row }

// window returns the whole window as a bucket, and its number of panes.
func (a *ADWIN) window() (w adwinBucket, panes uint64) {
	for i := range a.buckets {
		if b := &a.buckets[i]; i == 0 {
			w = *b
		} else {
			w.merge(b)
		}
		panes += a.buckets[i].panes()
	}
	return w, panes
}

// isCut reports whether the means differ at one of the borders.
func (a *ADWIN) isCut(w adwinBucket, panes uint64) bool {
	if panes < adwinMinPanes {
		return false
	}
	log := math.Log(2 * math.Log(float64(panes)) / a.opt.Delta)
	spread := 2 * w.squares / float64(panes) * log
	var old side
	for i := range a.buckets {
		old.add(&a.buckets[i])
		recent := old.rest(w, panes)
		if recent.panes < adwinMinSide {
			return false
		}
		if old.panes < adwinMinSide {
			continue
		}
		perValue := 1/old.weight() + 1/recent.weight()
		bound := math.Sqrt(spread*perValue) + float64(a.opt.Range*2/3*log*perValue)
		if math.Abs(old.mean-recent.mean) > bound+float64(rounding*math.Abs(w.mean)) {
			return true
		}
	}
	return false
}

// likeliest returns the first pane after the border at which the variance between the two parts
// is largest.
func (a *ADWIN) likeliest(w adwinBucket) uint64 {
	var old side
	first, largest := a.now, 0.0
	for i := range a.buckets[:len(a.buckets)-1] {
		old.add(&a.buckets[i])
		recent := old.rest(w, 0)
		d := old.mean - recent.mean
		if between := d * d * old.n * (recent.n / w.n); between > largest {
			first, largest = a.buckets[i+1].first, between
		}
	}
	return first
}

// side is one of the two parts of a window.
type side struct {
	n, mean float64
	panes   uint64
}

func (s *side) add(b *adwinBucket) {
	s.n += b.n
	s.mean += float64((b.mean - s.mean) * (b.n / s.n))
	s.panes += b.panes()
}

// rest returns the other part of a window.
func (s *side) rest(w adwinBucket, panes uint64) side {
	n := w.n - s.n
	return side{n, w.mean + float64((w.mean-s.mean)*(s.n/n)), panes - s.panes}
}

// weight is the number of values less that of four average panes.
func (s *side) weight() float64 {
	return s.n * float64(s.panes-adwinMinSide+1) / float64(s.panes)
}

// Reset forgets all panes.
func (a *ADWIN) Reset() { *a = ADWIN{opt: a.opt, buckets: a.buckets[:0]} }

// Bytes returns the heap memory in use: at most 8 kB.
func (a *ADWIN) Bytes() int { return cap(a.buckets) * int(unsafe.Sizeof(adwinBucket{})) }

func (a *ADWIN) options() []float64 {
	return []float64{a.opt.Delta, float64(a.opt.Clock), a.opt.Range}
}

// AppendBinary appends the binary form.
func (a *ADWIN) AppendBinary(b []byte) []byte {
	b = a.appendTo(appendFloats(append(b, adwinVersion), a.options()...))
	b = binary.AppendUvarint(b, a.panes)
	b = binary.AppendUvarint(b, uint64(len(a.buckets)))
	for i := range a.buckets {
		k := &a.buckets[i]
		b = appendFloats(append(b, byte(k.row)), k.n, k.mean, k.squares)
		b = binary.AppendUvarint(b, k.first)
	}
	return b
}

// ReadBinary replaces a by the binary form at the beginning of b.
func (a *ADWIN) ReadBinary(b []byte) ([]byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(adwinVersion)
	readOptions(d, a.options()...)
	r := ADWIN{opt: a.opt, course: readCourse(d), panes: d.Count()}
	n := d.Length(26)
	check(d, n <= adwinRows*adwinPerRow, r.panes <= r.now)
	for range n {
		if d.Err() != nil {
			break
		}
		k := adwinBucket{row: uint64(d.Byte()), n: d.Float(), mean: d.Float(), squares: d.Float(), first: d.Count()}
		r.buckets = append(r.buckets, k)
	}
	check(d, r.valid())
	if d.Err() == nil {
		*a = r
	}
	return d.End("adwin")
}

// valid reports whether the buckets are as compress leaves them, and hold no more panes
// than were seen.
func (a *ADWIN) valid() bool {
	var perRow [adwinRows]int
	panes := uint64(0)
	for i := range a.buckets {
		k := &a.buckets[i]
		if k.row >= adwinRows || k.n < float64(k.panes()) || k.n > maxValues || math.Abs(k.mean) > 2*maxSum ||
			k.squares < 0 || k.squares > maxSquares {
			return false
		}
		next := a.now + 1
		if i+1 < len(a.buckets) {
			next = a.buckets[i+1].first
			if a.buckets[i+1].row > k.row {
				return false
			}
		}
		if k.first == 0 || next < k.first || next-k.first < k.panes() {
			return false
		}
		if perRow[k.row]++; perRow[k.row] > adwinPerRow {
			return false
		}
		panes += k.panes()
	}
	return panes <= a.panes
}
