package window

import (
	"cmp"
	"slices"
)

// Pane is the content of [Start, Start+length) of one lane or of all.
type Pane[T any] struct {
	Start   int64
	Content *T
}

// Open holds a lane's panes that are not sealed yet. There are few at a time:
// about the allowed lateness over the pane length, plus one.
type Open[T any] struct {
	length int64
	panes  []Pane[T] // ascending
	last   int       // where the previous event went
}

// NewOpen returns no open panes, of the given length.
func NewOpen[T any](length int64) Open[T] { return Open[T]{length: length} }

// Find returns the content of the pane that holds t, or nil if that pane has not
// been opened.
func (o *Open[T]) Find(t int64) *T {
	start := Floor(t, o.length)
	if o.last < len(o.panes) && o.panes[o.last].Start == start {
		return o.panes[o.last].Content
	}
	i, ok := o.search(start)
	if !ok {
		return nil
	}
	o.last = i
	return o.panes[i].Content
}

// Add opens the pane that holds t with the given content.
func (o *Open[T]) Add(t int64, content *T) {
	start := Floor(t, o.length)
	i, _ := o.search(start)
	o.panes = slices.Insert(o.panes, i, Pane[T]{start, content})
	o.last = i
}

// With returns open panes with contents of their own: what copied makes of each.
func (o *Open[T]) With(copied func(*T) *T) Open[T] {
	c := *o
	c.panes = slices.Clone(o.panes)
	for i := range c.panes {
		c.panes[i].Content = copied(c.panes[i].Content)
	}
	return c
}

// Seal removes the panes that end at or before the watermark and returns them in
// order. The result is valid until the next call of Add.
func (o *Open[T]) Seal(watermark int64) []Pane[T] {
	n := 0
	for n < len(o.panes) && o.panes[n].Start+o.length <= watermark {
		n++
	}
	if n == 0 {
		return nil
	}
	sealed := slices.Clone(o.panes[:n])
	o.panes = slices.Delete(o.panes, 0, n)
	o.last = 0
	return sealed
}

// FirstEnd returns the end of the oldest open pane, or EndOfTime.
func (o *Open[T]) FirstEnd() int64 {
	if len(o.panes) == 0 {
		return EndOfTime
	}
	return o.panes[0].Start + o.length
}

// All returns the open panes in order. The caller must not change them.
func (o *Open[T]) All() []Pane[T] { return o.panes }

func (o *Open[T]) search(start int64) (int, bool) {
	return slices.BinarySearchFunc(o.panes, start, func(p Pane[T], s int64) int { return cmp.Compare(p.Start, s) })
}
