package window

// Merger merges contents. Merge adds src to dst and leaves src unchanged; Clone
// returns an independent copy. Contents are shared by the panes and windows that
// hold them, so that only a clone may ever be the dst of a Merge.
type Merger[T any] interface {
	Merge(dst, src *T)
	Clone(src *T) *T
}

// Accumulator merges contents in the order they come; it copies only when it
// must. Its zero value is empty.
type Accumulator[T any] struct {
	content *T
	owned   bool
}

// Add merges c, which may be nil and is left unchanged.
func (a *Accumulator[T]) Add(c *T, m Merger[T]) {
	switch {
	case c == nil:
	case a.content == nil:
		a.content = c
	default:
		if !a.owned {
			a.content, a.owned = m.Clone(a.content), true
		}
		m.Merge(a.content, c)
	}
}

// Content returns what was merged, nil if nothing. The caller must not change it,
// and a later Add may.
func (a *Accumulator[T]) Content() *T { return a.content }

// Share returns what was merged, which will not change any more: a later Add copies it
// first.
func (a *Accumulator[T]) Share() *T {
	a.owned = false
	return a.content
}

// Take returns what was merged, nil if nothing, and empties the accumulator.
func (a *Accumulator[T]) Take() *T {
	c := a.content
	*a = Accumulator[T]{}
	return c
}

// Sliding is a window of fixed length over the panes of one tier, kept as two
// stacks: the suffixes of one block of panes and the prefix of the next. Blocks
// start at multiples of the window's length, so that the tree by which a window
// is merged is a function of its end alone:
//
//	window(E) = suffix(previous block, from E−L) + prefix(block, to E)
//
// where a suffix is merged from its right end and a prefix from its left (the two-stacks
// method for sliding-window aggregation: Tangwongsan, Hirzel, Schneider, "General
// incremental sliding-window aggregation", VLDB 2015). Of the suffixes only one in about √n is
// kept, and those between two of them while they are needed: they are merged again from the next
// kept one, by the same tree. This needs at most four merges a slide, amortised, and of n suffixes keeps 2√n.
type Sliding[T any] struct {
	length, slide int64
	merger        Merger[T]

	block    int64 // start of the block that is being filled
	panes    []*T  // of that block
	prefix   Accumulator[T]
	previous []*T  // panes of the block before
	suffixes []*T  // suffixes[i] = previous[i] + … + previous[n-1]; those that are kept
	every    int64 // suffixes at multiples of this are kept
	between  int64 // the end of those that are kept, too, before such a multiple; 0: none are

	// What was revised and is not rebuilt: the prefix, and the suffixes before this index.
	stalePrefix   bool
	staleSuffixes int64
}

// KeptSuffixes returns how many suffixes a window of n panes keeps at most.
func KeptSuffixes(n int64) int64 {
	every := suffixEvery(n)
	return n/every + every
}

// suffixEvery returns √n, rounded up.
func suffixEvery(n int64) int64 {
	every := int64(1)
	for every*every < n {
		every++
	}
	return every
}

// NewSliding returns an empty window; length is a multiple of slide.
func NewSliding[T any](length, slide int64, m Merger[T]) *Sliding[T] {
	n := length / slide
	return &Sliding[T]{
		length: length, slide: slide, merger: m, block: NoTime,
		panes: make([]*T, n), previous: make([]*T, n), suffixes: make([]*T, n+1), every: suffixEvery(n),
	}
}

// Length returns the window's length.
func (s *Sliding[T]) Length() int64 { return s.length }

// Slide returns by how much the window slides.
func (s *Sliding[T]) Slide() int64 { return s.slide }

// Push adds the pane that starts at start. Starts ascend; those left out are
// empty. A nil content is an empty pane.
func (s *Sliding[T]) Push(start int64, c *T) {
	s.enter(Floor(start, s.length))
	s.panes[s.index(start)] = c
	if !s.stalePrefix {
		s.prefix.Add(c, s.merger)
	}
}

// At merges into out the window that ends at end: a multiple of the slide, and
// no pane at or after it has been pushed. The last pane may be left out; then
// head, which may be nil, stands for what is known of it.
func (s *Sliding[T]) At(end int64, head *T, out *Accumulator[T]) {
	last := end - s.slide
	s.enter(Floor(last, s.length))
	s.rebuild(s.index(last) + 1)
	out.Add(s.suffixes[s.index(last)+1], s.merger)
	out.Add(s.prefix.Content(), s.merger)
	out.Add(head, s.merger)
}

// Panes calls f with the panes of the window that ends at end, which At was asked for last, in order; a pane
// without content is nil.
func (s *Sliding[T]) Panes(end int64, f func(start int64, c *T)) {
	last := s.index(end-s.slide) + 1
	for i, c := range s.previous[last:] {
		f(s.block-s.length+(last+int64(i))*s.slide, c)
	}
	for i, c := range s.panes[:last] {
		f(s.block+int64(i)*s.slide, c)
	}
}

// All calls f with the panes that are kept, in order: at least those of the windows to come. What has no content is left out.
func (s *Sliding[T]) All(f func(start int64, c *T)) {
	for i, panes := range [][]*T{s.previous, s.panes} {
		for j, c := range panes {
			if c != nil {
				f(s.block+int64(i-1)*s.length+int64(j)*s.slide, c)
			}
		}
	}
}

// Revise adds c to the pane that starts at start, which has been pushed or left
// out before; end is that of the last pane that was pushed or left out. A pane older than the
// previous block is in no window any more. The block is rebuilt when it is next asked for, so
// that many revisions cost no more than one.
func (s *Sliding[T]) Revise(start, end int64, c *T) {
	s.enter(Floor(end-s.slide, s.length))
	i := s.index(start)
	switch block := Floor(start, s.length); block {
	case s.block:
		s.panes[i] = s.plus(s.panes[i], c)
		s.stalePrefix = true
	case s.block - s.length:
		s.previous[i] = s.plus(s.previous[i], c)
		s.staleSuffixes = max(s.staleSuffixes, i+1)
	}
}

// Fill is Push without the merge, for many panes in a row.
func (s *Sliding[T]) Fill(start int64, c *T) {
	s.enter(Floor(start, s.length))
	s.panes[s.index(start)] = c
	s.stalePrefix = true
}

// rebuild merges what was not merged yet, or was revised, but for the suffixes before index
// from: the window has passed them.
func (s *Sliding[T]) rebuild(from int64) {
	if s.stalePrefix {
		s.prefix, s.stalePrefix = Accumulator[T]{}, false
		for _, p := range s.panes {
			s.prefix.Add(p, s.merger)
		}
	}
	s.mergeSuffixes(from)
	clear(s.suffixes[:from])
	clear(s.previous[:from])
}

// mergeSuffixes makes the suffix from, those before the next kept one, and the kept ones that are stale.
func (s *Sliding[T]) mergeSuffixes(from int64) {
	n := int64(len(s.previous))
	begin, next := min(Ceil(s.staleSuffixes, s.every), n), min(Ceil(from, s.every), n)
	if from < next && s.between != next {
		begin, s.between = max(begin, next), next
	}
	sum := s.suffixes[begin]
	for i := begin - 1; i >= from; i-- {
		sum = s.plus(s.previous[i], sum)
		if i < next || i%s.every == 0 {
			s.suffixes[i] = sum
		}
	}
	s.staleSuffixes = 0
}

// index of a pane within its block.
func (s *Sliding[T]) index(start int64) int64 {
	return (start - Floor(start, s.length)) / s.slide
}

// enter makes block the one that is being filled.
func (s *Sliding[T]) enter(block int64) {
	if block <= s.block {
		return
	}
	if block == s.block+s.length {
		s.panes, s.previous = s.previous, s.panes
	} else {
		clear(s.previous)
	}
	s.block = block
	clear(s.panes)
	s.prefix, s.stalePrefix = Accumulator[T]{}, false
	clear(s.suffixes)
	s.staleSuffixes, s.between = int64(len(s.previous)), 0
}

// plus returns a content that holds both, which may be nil; it changes neither.
func (s *Sliding[T]) plus(a, b *T) *T {
	var sum Accumulator[T]
	sum.Add(a, s.merger)
	sum.Add(b, s.merger)
	return sum.Content()
}
