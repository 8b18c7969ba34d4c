package window

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// trace is a content that remembers what was merged into it, and how: a merge is
// written as a pair, so that two contents are equal only if their trees are.
type trace struct {
	tree string
	sum  int64
}

type traces struct{ merges int }

func (m *traces) Merge(dst, src *trace) {
	m.merges++
	dst.tree = "(" + dst.tree + " " + src.tree + ")"
	dst.sum += src.sum
}

func (m *traces) Clone(src *trace) *trace { c := *src; return &c }

func TestFloorAndCeil(t *testing.T) {
	for _, c := range []struct{ t, size, floor, ceil int64 }{
		{0, 10, 0, 0}, {1, 10, 0, 10}, {9, 10, 0, 10}, {10, 10, 10, 10}, {-1, 10, -10, 0}, {-10, 10, -10, -10}, {-11, 10, -20, -10},
	} {
		if f, g := Floor(c.t, c.size), Ceil(c.t, c.size); f != c.floor || g != c.ceil {
			t.Errorf("Floor, Ceil(%d, %d) = %d, %d; want %d, %d", c.t, c.size, f, g, c.floor, c.ceil)
		}
	}
}

func TestSlide(t *testing.T) {
	pane := int64(10 * time.Second)
	for _, c := range []struct{ length, slide time.Duration }{
		{10 * time.Second, 10 * time.Second}, {time.Minute, 10 * time.Second}, {5 * time.Minute, 10 * time.Second},
		{10 * time.Minute, 10 * time.Second}, {59 * time.Minute, 10 * time.Second}, {time.Hour, time.Minute}, {6 * time.Hour, time.Minute},
		{10 * time.Hour, 10 * time.Minute}, {24 * time.Hour, 10 * time.Minute}, {60 * time.Hour, time.Hour}, {7 * 24 * time.Hour, time.Hour},
	} {
		if got := Slide(int64(c.length), pane); got != int64(c.slide) {
			t.Errorf("Slide(%s) = %s, want %s", c.length, time.Duration(got), c.slide)
		}
	}
	if got := Slide(int64(time.Hour), int64(5*time.Minute)); got != int64(5*time.Minute) {
		t.Errorf("a window slid by %s, less than its pane", time.Duration(got))
	}
}

func TestWatermarkNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWatermark(rapid.Int64Range(0, 50).Draw(t, "lateness"))
		if w.Time() != NoTime || w.Sealed(0, 10) {
			t.Fatal("a watermark without events is not NoTime, or seals")
		}
		before := w.Time()
		for _, x := range rapid.SliceOf(rapid.Int64Range(-100, 100)).Draw(t, "times") {
			w.Observe(x)
			if w.Time() < before {
				t.Fatalf("went back from %d to %d", before, w.Time())
			}
			before = w.Time()
		}
	})
}

func TestOpenPanesSealInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := NewOpen[trace](10)
		want := map[int64]int64{}
		for _, x := range rapid.SliceOf(rapid.Int64Range(-50, 200)).Draw(t, "times") {
			c := o.Find(x)
			if c == nil {
				c = &trace{}
				o.Add(x, c)
			}
			c.sum++
			want[Floor(x, 10)]++
		}
		w := rapid.Int64Range(-60, 220).Draw(t, "watermark")
		last := int64(NoTime)
		for _, p := range o.Seal(w) {
			if p.Start <= last || p.Start+10 > w || p.Content.sum != want[p.Start] {
				t.Fatalf("pane %d with %d events after %d at watermark %d; want %d", p.Start, p.Content.sum, last, w, want[p.Start])
			}
			last = p.Start
			delete(want, p.Start)
		}
		for start := range want {
			if start+10 <= w {
				t.Fatalf("pane %d was not sealed at %d", start, w)
			}
		}
		if o.FirstEnd() <= w {
			t.Fatalf("the first open pane ends at %d, watermark %d", o.FirstEnd(), w)
		}
	})
}

// drive pushes the panes of the given contents through tiers and one sliding window
// from the pane at from on, and calls at for each end.
func drive(contents map[int64]int64, from, to, length int64, at func(end int64, c *trace)) *traces {
	const pane = int64(10 * time.Second)
	m := &traces{}
	slide := Slide(length, pane)
	s := NewSliding[trace](length, slide, m)
	tiers := NewTiers[trace](pane, m)
	for start := from; start < to; start += pane {
		var c *trace
		if n, ok := contents[start]; ok {
			c = &trace{tree: fmt.Sprint(start / pane), sum: n}
		}
		tiers.Push(start, c, func(l, start int64, c *trace) {
			if l != slide {
				return
			}
			s.Push(start, c)
			var out Accumulator[trace]
			s.At(start+l, nil, &out)
			at(start+l, out.Content())
		})
	}
	return m
}

// TestSlidingIsTheSumOfItsPanes compares each window with the plain sum, and checks
// that its merge tree does not depend on when the windows began to slide.
func TestSlidingIsTheSumOfItsPanes(t *testing.T) {
	const pane = int64(10 * time.Second)
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int64{pane, 3 * pane, int64(time.Minute), 5 * int64(time.Minute), int64(time.Hour)}).Draw(t, "length")
		n := rapid.Int64Range(1, 800).Draw(t, "panes")
		contents := map[int64]int64{}
		for _, i := range rapid.SliceOfN(rapid.Int64Range(0, n), 0, 60).Draw(t, "full") {
			contents[i*pane] = i + 1
		}
		trees := map[int64]string{}
		m := drive(contents, 0, n*pane, length, func(end int64, c *trace) {
			var want int64
			for start, x := range contents {
				if start >= end-length && start < end {
					want += x
				}
			}
			if (c == nil) != (want == 0) || c != nil && c.sum != want {
				t.Fatalf("window to %d is %v, want %d", end/pane, c, want)
			}
			if c != nil {
				trees[end] = c.tree
			}
		})
		if limit := 6*int(n) + 300; m.merges > limit {
			t.Fatalf("%d merges for %d panes", m.merges, n)
		}
		// A later start sees the same trees once the window lies behind it.
		from := Ceil(rapid.Int64Range(0, n).Draw(t, "from")*pane, int64(time.Hour))
		drive(contents, from, n*pane, length, func(end int64, c *trace) {
			if end-length >= from && c != nil && c.tree != trees[end] {
				t.Fatalf("the window to %d is merged as %s, and as %s from a later start", end/pane, trees[end], c.tree)
			}
		})
	})
}

// TestReviseEqualsInTime checks that panes which come late give the windows that
// they would have given in time.
func TestReviseEqualsInTime(t *testing.T) {
	const pane = int64(10 * time.Second)
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int64{3 * pane, 5 * int64(time.Minute), int64(time.Hour)}).Draw(t, "length")
		n := rapid.Int64Range(1, 900).Draw(t, "panes")
		late := rapid.SliceOfN(rapid.Int64Range(0, n-1), 0, 20).Draw(t, "late")
		m := &traces{}
		slide := Slide(length, pane)
		s, tiers := NewSliding[trace](length, slide, m), NewTiers[trace](pane, m)
		for i := range n {
			var c *trace
			if i%3 == 0 {
				c = &trace{sum: i}
			}
			tiers.Push(i*pane, c, func(l, start int64, c *trace) {
				if l == slide {
					s.Push(start, c)
				}
			})
		}
		for _, i := range late {
			c := &trace{sum: 1000}
			if full := tiers.Revise(i*pane, n*pane, c); slide <= full {
				s.Revise(Floor(i*pane, slide), Floor(n*pane, slide), c)
			}
		}
		now := n * pane
		end := Ceil(now, slide)
		var want int64
		for i := range n {
			if i*pane >= end-length && i%3 == 0 {
				want += i
			}
		}
		for _, i := range late {
			if i*pane >= end-length {
				want += 1000
			}
		}
		var head, out Accumulator[trace]
		if end > now {
			tiers.Head(slide, &head)
		}
		s.At(end, head.Content(), &out)
		var got int64
		if c := out.Content(); c != nil {
			got = c.sum
		}
		if got != want {
			t.Fatalf("window to %d after %d panes is %d, want %d (late: %v)", end/pane, n, got, want, slices.Sorted(slices.Values(late)))
		}
	})
}

// TestContentsAreNotChanged checks that what was pushed is never the target of a merge.
func TestContentsAreNotChanged(t *testing.T) {
	const pane = int64(10 * time.Second)
	m := &traces{}
	s, tiers := NewSliding[trace](6*pane, pane, m), NewTiers[trace](pane, m)
	var pushed []*trace
	for i := range int64(500) {
		c := &trace{tree: "x", sum: 1}
		pushed = append(pushed, c)
		tiers.Push(i*pane, c, func(l, start int64, c *trace) {
			if l == pane {
				s.Push(start, c)
			}
		})
		if i%7 == 0 && i > 3 {
			s.Revise((i-3)*pane, (i+1)*pane, c)
		}
	}
	for i, c := range pushed {
		if c.sum != 1 || c.tree != "x" {
			t.Fatalf("pane %d became %+v", i, c)
		}
	}
}

// TestSuffixes asks for each window in turn while panes come late: it is merged by the tree that its end gives, and few
// suffixes are kept.
func TestSuffixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int64{1, 2, 3, 7, 9, 60, 144}).Draw(t, "panes of the window")
		m := &traces{}
		s := NewSliding[trace](n, 1, m)
		panes := map[int64]*trace{}
		plus := func(a, b *trace) *trace {
			var sum Accumulator[trace]
			sum.Add(a, m)
			sum.Add(b, m)
			return sum.Content()
		}
		window := func(end int64) *trace {
			var suffix, prefix *trace
			border := Floor(end-1, n)
			for i := border - 1; i >= end-n; i-- {
				suffix = plus(panes[i], suffix)
			}
			for i := border; i < end; i++ {
				prefix = plus(prefix, panes[i])
			}
			return plus(suffix, prefix)
		}
		for i := range rapid.Int64Range(1, 3*n+10).Draw(t, "panes") {
			if rapid.IntRange(0, 9).Draw(t, "empty") > 0 {
				panes[i] = &trace{tree: fmt.Sprint(i), sum: i}
			}
			s.Push(i, panes[i])
			if at := i - rapid.Int64Range(0, 20*n).Draw(t, "late"); at >= 0 {
				late := &trace{tree: "late", sum: 1}
				panes[at] = plus(panes[at], late)
				s.Revise(at, i+1, late)
			}
			if rapid.IntRange(0, 3).Draw(t, "ask") == 0 {
				continue
			}
			var out Accumulator[trace]
			s.At(i+1, nil, &out)
			if got, want := out.Content(), window(i+1); (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Fatalf("the window to %d is %v, want %v", i+1, got, want)
			}
			kept := int64(0)
			for _, c := range s.suffixes {
				if c != nil {
					kept++
				}
			}
			if kept > KeptSuffixes(n) {
				t.Fatalf("%d suffixes of %d panes are kept", kept, n)
			}
		}
	})
}
