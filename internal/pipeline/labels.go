package pipeline

import (
	"container/heap"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// WaitingLabelBytes is how much the labels may take that wait in a partition for their time. Those whose time is the
// furthest away are rejected beyond that, as future.
const WaitingLabelBytes = 16 << 20

// labelOverhead is what a label takes besides its id and what it says.
const labelOverhead = 128

// labelQueue holds labels in order of their time, then of their arrival.
type labelQueue struct {
	items  []*waitingLabel // a heap, the first in front
	latest latestFirst     // the same, the last in front
	count  uint64
	bytes  int
	truth  []byte // to be written into
}

type waitingLabel struct {
	lane  *Lane
	time  int64
	id    string
	model int
	truth string // by appendTruth
	order uint64
	at    [2]int // in items and in latest
}

// event makes ev the label event, whose slices are used again.
func (l *waitingLabel) event(ev *event.Event) {
	*ev = event.Event{Kind: event.Label, Time: l.time, ID: append(ev.ID[:0], l.id...), Model: l.model, Truth: ev.Truth}
	readTruth(sketch.NewDecoder([]byte(l.truth)), &ev.Truth) // it was read before, or written by appendTruth
}

func (l *waitingLabel) size() int { return labelOverhead + len(l.id) + len(l.truth) }

func (l *waitingLabel) before(o *waitingLabel) bool {
	if l.time != o.time {
		return l.time < o.time
	}
	return l.order < o.order
}

// add adds a label, and returns how many had to go for it, it among them perhaps.
func (q *labelQueue) add(l *Lane, ev *event.Event) (gone int) {
	q.count++
	q.truth = appendTruth(q.truth[:0], &ev.Truth)
	q.insert(&waitingLabel{lane: l, time: ev.Time, id: string(ev.ID), model: ev.Model, truth: string(q.truth), order: q.count})
	for q.bytes > WaitingLabelBytes {
		last := heap.Pop(&q.latest).(*waitingLabel)
		heap.Remove(q, last.at[0])
		q.bytes -= last.size()
		gone++
	}
	return gone
}

func (q *labelQueue) insert(l *waitingLabel) {
	heap.Push(q, l)
	heap.Push(&q.latest, l)
	q.bytes += l.size()
}

// next removes the first label and returns it, if its time is not after t; else nil.
func (q *labelQueue) next(t int64) *waitingLabel {
	if len(q.items) == 0 || q.items[0].time > t {
		return nil
	}
	first := heap.Pop(q).(*waitingLabel)
	heap.Remove(&q.latest, first.at[1])
	q.bytes -= first.size()
	return first
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (q *labelQueue) Len() int { return len(q.items) }

// Less orders by time, then arrival.
func (q *labelQueue) Less(i, j int) bool { return q.items[i].before(q.items[j]) }

// Swap swaps two labels.
func (q *labelQueue) Swap(i, j int) {
	q.items[i], q.items[j] = q.items[j], q.items[i]
	q.items[i].at[0], q.items[j].at[0] = i, j
}

// Push adds a label.
func (q *labelQueue) Push(x any) {
	l := x.(*waitingLabel)
	l.at[0] = len(q.items)
	q.items = append(q.items, l)
}

// Pop removes the last label.
func (q *labelQueue) Pop() any { return pop(&q.items) }

// latestFirst is a heap of the same labels the other way round.
type latestFirst []*waitingLabel

// Len, Less, Swap, Push and Pop are heap.Interface.
func (h latestFirst) Len() int { return len(h) }

// Less orders by time, then arrival, the last first.
func (h latestFirst) Less(i, j int) bool { return h[j].before(h[i]) }

// Swap swaps two labels.
func (h latestFirst) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at[1], h[j].at[1] = i, j
}

// Push adds a label.
func (h *latestFirst) Push(x any) {
	l := x.(*waitingLabel)
	l.at[1] = len(*h)
	*h = append(*h, l)
}

// Pop removes the last label.
func (h *latestFirst) Pop() any { return pop((*[]*waitingLabel)(h)) }

func pop(items *[]*waitingLabel) any {
	n := len(*items) - 1
	x := (*items)[n]
	(*items)[n] = nil
	*items = (*items)[:n]
	return x
}
