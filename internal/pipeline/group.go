package pipeline

import (
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// Lane guards the shard of one partition index of a group's topics.
type Lane struct {
	group *Group
	index int

	mu         sync.Mutex
	shard      *monitor.Shard
	sealed     []monitor.SealedPane  // and not delivered yet
	labelPanes []monitor.SealedPane  // the same, of panes of labels
	base       []monitor.ModelStatus // the accounts as they were restored; nil if there were none
	labelBase  []*monitor.LabelStatus
	placing    placing // a sample of ids

	// Guarded by the group's mutex.
	stream
	gone  bool // its partition is there no more
	apart bool // its labels have a reader of their own
	// truth is the stream of the labels; its frontier is that of the panes of labels.
	truth stream
}

// stream is how far one of a lane's two streams is: its predictions, or its labels.
type stream struct {
	frontier   int64 // of what was delivered to the views
	watermark  int64
	done       bool      // read to the declared end, or gone
	caughtUp   bool      // read to the end as of the last fetch
	firstFetch time.Time // since the process began
	lastFetch  time.Time // that succeeded
	lastRecord time.Time // that arrived
}

func newStream() stream { return stream{frontier: window.NoTime, watermark: window.NoTime} }

// fetched notes what a reader knows after a batch.
func (s *stream) fetched(p Progress) {
	s.done = p.Done
	s.caughtUp, s.lastFetch = p.CaughtUp || p.Done, p.Now
	if s.firstFetch.IsZero() {
		s.firstFetch = p.Now
	}
	if p.Records > 0 {
		s.lastRecord = p.Now
	}
}

// Group merges the lanes of one group of models.
type Group struct {
	monitor  *monitor.Group
	decode   decode.Options
	journal  bool
	timeouts []int64 // of labels, by model; nil: none come
	paneSize int64
	stored   int // bytes of the last snapshot's state; for who makes snapshots only

	mu       sync.Mutex
	merged   sync.Cond // lanes that are far ahead wait for it
	lanes    []*Lane
	parts    []Part // that are read into it
	losses   *monitor.Losses
	since    *monitor.Since
	anew     Anew
	final    *monitor.View
	sink     *Sequencer
	slot     int
	shown    *monitor.View
	frontier int64 // shown so far
	// The same, of panes of labels; nil if none come.
	finalLabels, shownLabels *monitor.View
	labelFrontier            int64
	// Of what the shown views pass; nil if there are none.
	recorder, labelRecorder *monitor.Recorder
	refills                 []refill
	refilling               bool
	ready                   [2][]*monitor.Result // final ones of the two views that wait for each other
	// apart: labels are a topic of their own, of which so many lanes have a partition; -1: nobody knows yet.
	apart      bool
	labelLanes int
	// without: final results go on without labels, which have been silent for too long.
	without  bool
	held     bool // a lane was passed by
	idle     idleClock
	caughtUp bool      // all lanes were read to the end once
	began    time.Time // of the first look at what to show

	// GaveUp is told of the lane because of which there are no more final results of the group; see
	// maxWaiting. It must not call the group. If it is nil, results wait for ever, as they
	// must where lanes have ends.
	GaveUp func(lane int)
	// WithoutLabels is told of the lane whose labels have been silent for so long that final results go on without
	// performance figures until they come again. It must not call the group.
	WithoutLabels func(lane int)
	// Learned is told of each reference that was learned. It must not call the group.
	Learned func(Learned)

	released bool   // references are made of what there is
	gone     []Kind // of entries that were saved for models that are there no more
}

// NewGroup returns a group without lanes. With a sequencer it makes final results,
// as its member number slot; with shown it can Show.
func NewGroup(g *monitor.Group, o decode.Options, sink *Sequencer, slot int, shown bool) *Group {
	g.KeepLabels()
	out := &Group{monitor: g, decode: o, sink: sink, slot: slot, frontier: window.NoTime, labelFrontier: window.NoTime, labelLanes: -1, paneSize: g.PaneSize(), losses: &monitor.Losses{}, since: monitor.NewSince(g), anew: Anew{Results: window.NoTime}}
	out.decode.Schema = g.Schema
	out.merged.L = &out.mu
	labels := g.Labels()
	out.timeouts = timeouts(g)
	if sink != nil {
		out.final = monitor.NewView(g, 0)
		if labels != nil {
			out.finalLabels = monitor.NewView(labels, 0)
		}
	}
	if shown {
		out.shown, out.recorder = monitor.NewView(g, 0), monitor.NewRecorder(false)
		if labels != nil {
			out.shownLabels, out.labelRecorder = monitor.NewView(labels, 0), monitor.NewRecorder(true)
		}
		out.record()
	}
	for _, v := range []*monitor.View{out.final, out.shown} {
		if v != nil {
			v.Heed(out.losses, out.since)
		}
	}
	return out
}

// Picture makes final results have what is only for pictures.
func (g *Group) Picture() {
	for _, v := range [...]*monitor.View{g.final, g.finalLabels} {
		if v != nil {
			v.Picture()
		}
	}
}

// Grow makes the group have at least n lanes. All lanes that are known must be
// there before the first message, or windows could be final without them.
func (g *Group) Grow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.lanes) < n {
		l := &Lane{group: g, index: len(g.lanes), shard: monitor.NewShard(g.monitor), stream: newStream(), truth: newStream()}
		l.shard.Learn(l.index)
		if g.apart {
			l.labelsApart()
		}
		if g.journal {
			l.shard.Journal()
		}
		g.lanes = append(g.lanes, l)
	}
	for _, v := range g.views() {
		if v != nil {
			v.Grow(len(g.lanes))
		}
	}
}

// Lane returns lane i, which Grow has made.
func (g *Group) Lane(i int) *Lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lanes[i]
}

// Lanes returns the number of lanes.
func (g *Group) Lanes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.lanes)
}

// Progress is what a reader knows of a lane after a batch.
type Progress struct {
	// Records is the number of messages in the batch.
	Records int
	// CaughtUp: everything that is there was read. Done: the declared end was reached.
	CaughtUp, Done bool
	// Now is the wall-clock time; final results do not depend on it.
	Now time.Time
	// Stop, if set, is asked whether to end before all results are final that could be; what is left is made final later.
	Stop func() bool
}

// Deliver hands what the lane has sealed to the views, and makes results final
// that this completes.
func (l *Lane) Deliver(p Progress) error {
	g := l.group
	g.mu.Lock() // first, so that no cut finds the panes neither here nor in the views
	if l.gone { // and has come back
		l.gone, l.done = false, false
		l.mu.Lock()
		l.shard.GoOn()
		l.mu.Unlock()
	}
	final := l.deliver(event.Prediction, p)
	g.learn(p.Now)
	g.mu.Unlock()
	if !final {
		return nil
	}
	return g.settle(p.Now, p.Stop)
}

// DeliverLabels is Deliver for the reader of the lane's labels, where they are apart.
func (l *Lane) DeliverLabels(p Progress) error {
	g := l.group
	g.mu.Lock()
	final := l.deliver(event.Label, p)
	g.mu.Unlock()
	if !final {
		return nil
	}
	return g.settle(p.Now, p.Stop)
}

// settle makes final all that can be, until it is stopped; stop may be nil.
func (g *Group) settle(now time.Time, stop func() bool) (err error) {
	for more := true; more && err == nil && (stop == nil || !stop()); { // in steps, so that nobody waits long
		g.mu.Lock()
		more, err = g.finalize(now)
		g.mu.Unlock()
	}
	return err
}

// End says that the lane's partition is there no more: what it has is final, and nobody waits for it, unless a batch
// comes nevertheless. It returns false if the lane has ended already, or was read a moment ago.
func (l *Lane) End(now time.Time) (ended bool, err error) {
	g := l.group
	g.mu.Lock()
	ended = l.end(now)
	g.mu.Unlock()
	if ended {
		err = g.settle(now, nil)
	}
	return ended, err
}

func (l *Lane) end(now time.Time) bool {
	g := l.group
	if l.done || !l.lastFetch.IsZero() && now.Sub(l.lastFetch) <= idleAfter {
		return false
	}
	l.mu.Lock()
	hole := monitor.Hole{From: l.shard.Frontier(), To: window.NoTime}
	l.shard.End()
	l.mu.Unlock()
	l.deliver(event.Prediction, Progress{Done: true, Now: now})
	l.gone = true
	g.learn(now)
	for _, o := range g.lanes { // what was lost unread came before what the others go on with
		if o.watermark != window.NoTime {
			hole.To = max(hole.To, window.Ceil(o.watermark+g.monitor.Lateness, g.monitor.Pane)+g.monitor.Pane)
		}
	}
	if hole.From < hole.To {
		g.lose(l.index, []monitor.Hole{hole})
	}
	g.merged.Broadcast()
	return true
}

// deliver hands the panes to the views, and returns whether results may have become final. k is the stream of which the
// reader speaks.
func (l *Lane) deliver(k event.Kind, p Progress) bool {
	g := l.group
	ended := l.done
	l.mu.Lock()
	sealed := append(l.sealed, l.shard.TakeSealed()...)
	l.sealed = nil
	g.lose(l.index, l.shard.TakeHoles())
	if generation, at := l.shard.TakeRenewed(); generation > 0 {
		g.since.Raise(generation, at)
	}
	if p.Done {
		l.shard.EndOf(k)
		if !l.apart {
			l.shard.EndOf(event.Label)
		}
	}
	labels := append(l.labelPanes, l.shard.TakeSealedLabels()...)
	l.labelPanes = nil
	frontier, watermark := l.shard.Frontier(), l.shard.Watermark(event.Prediction)
	labelFrontier, labelWatermark := l.shard.LabelFrontier(), l.shard.Watermark(event.Label)
	if p.Done && k == event.Prediction {
		// For the results only: the shard itself stays as it is.
		sealed = append(sealed, l.shard.CopyOpen(window.EndOfTime)...)
	}
	l.mu.Unlock()
	if k == event.Prediction && !ended {
		l.fetched(p)
	}
	if k == event.Label {
		l.truth.fetched(p)
	}
	if !ended {
		l.frontier, l.watermark = frontier, watermark
		if l.done {
			l.frontier = window.EndOfTime
		}
	}
	l.truth.frontier, l.truth.watermark = labelFrontier, labelWatermark
	if l.done && l.labels().done {
		l.truth.frontier = window.EndOfTime
	}
	if ended {
		sealed = nil
	}
	return g.deliver(l, sealed, labels, p.Now)
}

func (g *Group) deliver(l *Lane, sealed, labels []monitor.SealedPane, now time.Time) bool {
	if g.shown != nil {
		g.shown.Deliver(l.index, g.believed(sealed, now))
		if g.shownLabels != nil {
			g.shownLabels.Deliver(l.index, labels)
		}
		if g.shown.Pending() > g.limit()/2 {
			g.advanceShown(now)
			g.merged.Broadcast()
		}
	}
	if g.shownLabels != nil {
		g.merged.Broadcast()
	}
	if g.final == nil {
		return false
	}
	g.final.Deliver(l.index, sealed)
	if g.finalLabels != nil {
		g.finalLabels.Deliver(l.index, labels)
	}
	return true
}

// lose notes the holes of a lane, and forgets those that no window has any more.
func (g *Group) lose(lane int, holes []monitor.Hole) {
	if len(holes) == 0 {
		return
	}
	g.losses.Add(lane, holes)
	oldest := int64(window.EndOfTime)
	for _, v := range g.views() {
		if v != nil {
			oldest = min(oldest, v.Oldest())
		}
	}
	g.losses.Forget(oldest)
}

// maxWaiting is how many times as many panes as the limit may wait for a lane that is read to its end
// and silent, or cannot be read. Final results would wait with them for ever, and memory has an end: then there are no
// more final results of the group, and the gauges and the other groups' results go on.
const maxWaiting = 5

// Panes that wait for a slower lane may take pendingBytes before the faster ones stop
// reading, but there may be minPending at least and mostPending at most.
const (
	pendingBytes = 32 << 20
	minPending   = 12
	mostPending  = 2000
)

// limit returns for how many times panes may wait: each lane may have one of each.
func (g *Group) limit() int {
	size := max(g.paneSize, 1) * int64(max(len(g.lanes), 1))
	return int(min(max(pendingBytes/size, minPending), mostPending))
}

// Wait blocks while the lane is so far ahead of the slowest that its panes would
// pile up, until the others have come along or stop returns true.
func (l *Lane) Wait(stop func() bool) {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.pending() > g.limit() && !g.slowest(l) && !stop() {
		g.merged.Wait()
	}
	if g.final != nil {
		g.mu.Unlock()
		defer g.mu.Lock()
		g.sink.wait(g.slot, stop)
	}
}

// pending returns how many panes wait, in the view where there are more.
func (g *Group) pending() (n int) {
	for _, v := range g.views() {
		if v != nil {
			n = max(n, v.Pending())
		}
	}
	return n
}

// Wake lets the lanes that Wait look at their stop condition. It takes the lock, or it could come
// between a lane's look and its wait.
func (g *Group) Wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.merged.Broadcast()
	if g.sink != nil {
		g.sink.wake()
	}
}

// slowest reports whether there is no lane to wait for: one that lies behind and is being read.
func (g *Group) slowest(l *Lane) bool {
	for _, o := range g.lanes {
		if o.labelsBehind(l) {
			return false
		}
		if !o.done && !o.caughtUp && o.frontier < l.frontier && (g.final != nil || !o.silent(l.lastFetch, g.began)) {
			return false
		}
	}
	return true
}

// KindWatermark returns the lane's watermark of the given kind, or window.NoTime.
func (l *Lane) KindWatermark(k event.Kind) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.Watermark(k)
}

// ForgottenIDs returns how many ids of events of the given kind the lane forgot before their time.
func (l *Lane) ForgottenIDs(k event.Kind) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.ForgottenIDs(k)
}

// Watermark returns the watermark of the lane's predictions as of the last
// Deliver, or window.NoTime.
func (l *Lane) Watermark() int64 {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()
	return l.watermark
}

// CaughtUp reports whether all lanes were read to their ends at some time.
func (g *Group) CaughtUp() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noteCaughtUp()
	return g.caughtUp
}

func (g *Group) noteCaughtUp() {
	if !g.caughtUp && len(g.lanes) > 0 {
		g.caughtUp = !slices.ContainsFunc(g.lanes, func(l *Lane) bool { return !l.caughtUp })
	}
}
