package window

// Tiers rolls base panes up into wider ones: when the last pane of a wider tier
// is full, its merged content goes to the next.
type Tiers[T any] struct {
	lengths []int64
	filling []Accumulator[T] // of tier i; [0] is unused
	merger  Merger[T]
}

// NewTiers returns empty tiers over a base pane of the given length.
func NewTiers[T any](pane int64, m Merger[T]) *Tiers[T] {
	lengths := TierLengths(pane)
	return &Tiers[T]{lengths: lengths, filling: make([]Accumulator[T], len(lengths)), merger: m}
}

// Push adds the base pane that starts at start (nil: empty) and calls full for
// each pane, of this and of the wider tiers, that is complete by it, in order of
// their lengths. Base panes come in order; all are pushed while anything in a
// wider pane is kept.
func (t *Tiers[T]) Push(start int64, c *T, full func(length, start int64, c *T)) {
	end := start + t.lengths[0]
	full(t.lengths[0], start, c)
	for i := 1; i < len(t.lengths); i++ {
		t.filling[i].Add(c, t.merger)
		if end%t.lengths[i] != 0 {
			return
		}
		c = t.filling[i].Take()
		full(t.lengths[i], end-t.lengths[i], c)
	}
}

// Head merges into out what is known of the pane of the given tier that is being
// filled: its full panes of the lower tiers, widest first.
func (t *Tiers[T]) Head(length int64, out *Accumulator[T]) {
	for i := len(t.lengths) - 1; i > 0; i-- {
		if t.lengths[i] <= length {
			out.Add(t.filling[i].Content(), t.merger)
		}
	}
}

// Filling returns what is known of the pane of each tier that is being filled, nil if
// nothing. It does not change any more.
func (t *Tiers[T]) Filling() []*T {
	out := make([]*T, len(t.filling))
	for i := range t.filling {
		out[i] = t.filling[i].Share()
	}
	return out
}

// Fill makes c what is known of the pane of tier i that is being filled.
func (t *Tiers[T]) Fill(i int, c *T) { t.filling[i] = Accumulator[T]{content: c} }

// Revise adds c to the wider panes that are being filled and hold the base pane
// at start, next being the start of the first base pane that was not pushed. It
// returns the length of the widest tier whose pane that holds start is full, so
// that windows that slide by it, or by less, are to be revised.
func (t *Tiers[T]) Revise(start, next int64, c *T) (full int64) {
	full = t.lengths[0]
	for i := 1; i < len(t.lengths); i++ {
		if Floor(start, t.lengths[i])+t.lengths[i] > next {
			t.filling[i].Add(c, t.merger)
			break // what fills a wider tier is this one, when it is full
		}
		full = t.lengths[i]
	}
	return full
}
