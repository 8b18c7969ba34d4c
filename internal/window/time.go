package window

import (
	"math"
	"time"
)

// NoTime is the watermark before the first event; every time is after it.
const NoTime = math.MinInt64

// EndOfTime is the frontier of a lane that was read to its declared end.
const EndOfTime = math.MaxInt64

// Floor returns the largest multiple of size that is ≤ t; size is positive.
func Floor(t, size int64) int64 {
	r := t % size
	if r < 0 {
		r += size
	}
	return t - r
}

// Ceil returns the smallest multiple of size that is ≥ t; size is positive.
func Ceil(t, size int64) int64 {
	if f := Floor(t, size); f != t {
		return f + size
	}
	return t
}

// tierLengths are the lengths above the base pane, ascending.
var tierLengths = [...]int64{int64(time.Minute), int64(10 * time.Minute), int64(time.Hour)}

// TierLengths returns the lengths of all tiers over a base pane, the pane first:
// each divides the next.
func TierLengths(pane int64) []int64 {
	lengths := []int64{pane}
	for _, l := range tierLengths {
		if l > pane {
			lengths = append(lengths, l)
		}
	}
	return lengths
}

// Slide returns by how much a window slides: the widest tier that is at most a
// sixtieth of its length, and the base pane at least.
func Slide(length, pane int64) int64 {
	slide := pane
	for _, l := range TierLengths(pane) {
		if l <= length/60 {
			slide = l
		}
	}
	return slide
}

// Watermark is a lane's statement that no event before it is expected any more:
// the largest time it was told minus the allowed lateness. It never goes back.
type Watermark struct {
	lateness int64
	largest  int64
	reached  int64 // what it was once, though the lateness was less
}

// NewWatermark returns a watermark that has seen no event.
func NewWatermark(lateness int64) Watermark {
	return Watermark{lateness: lateness, largest: NoTime, reached: NoTime}
}

// Observe tells the watermark of an accepted event.
func (w *Watermark) Observe(t int64) { w.largest = max(w.largest, t) }

// Largest returns the largest time observed, or NoTime.
func (w *Watermark) Largest() int64 { return w.largest }

// Time returns the watermark, or NoTime before the first event.
func (w *Watermark) Time() int64 {
	if w.largest == NoTime {
		return NoTime
	}
	return max(w.largest-w.lateness, w.reached)
}

// Reach makes the watermark t at least, once an event was observed.
func (w *Watermark) Reach(t int64) { w.reached = max(w.reached, t) }

// Sealed reports whether the pane of the given size that holds time t is closed
// for good: whether the watermark has reached its end.
func (w *Watermark) Sealed(t, pane int64) bool {
	return w.largest != NoTime && w.Time() >= Floor(t, pane)+pane
}
