package monitor

import (
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// Outcome is what became of a decoded event.
type Outcome uint8

// The outcomes of an event.
const (
	OutcomeAccepted Outcome = iota
	OutcomeRejected
	OutcomeLate
	OutcomeDuplicate
)

// Shard is one lane's live state: its watermarks and its open panes. All of it is
// a function of the lane's log so far. It is owned by one goroutine.
type Shard struct {
	group      *Group
	work       *profile.Workspace
	watermarks [2]window.Watermark // by event.Kind
	recorded   [2]int64            // the largest record time of an event that was not rejected, by event.Kind; 0: none had one
	open       window.Open[Pane]
	versions   []versions // by model
	recent     [2]recent
	models     []ModelStatus
	sealed     []SealedPane
	holes      []Hole           // since they were taken; the last may have no end yet
	anew       uint64           // the generation of the config since which no prediction was accepted; 0: none
	anewAt     int64            // from when on all that is new since counts, once one was; else window.NoTime
	storedSpan int64            // of the ids where the shard comes from
	labels     *labels          // nil: none are matched with predictions
	answer     eval.Prediction  // of the prediction that is being folded
	apart      bool             // labels come in an order of their own
	kpis       []*kpi.Evaluator // by model; nil: it has none

	learners []*learner // by model; nil where nothing is learned
	limit    int64      // events of panes from here on wait
	held     bool       // one waits
	sure     int64      // the watermark as it will be when the last one that waited was taken; window.NoTime if none did
}

// SealedPane is a pane of one lane that will never change.
type SealedPane = window.Pane[Pane]

// NewShard returns an empty shard of a group.
func NewShard(g *Group) *Shard {
	s := &Shard{
		group: g, work: profile.NewWorkspace(), anewAt: window.NoTime, open: window.NewOpen[Pane](g.Pane),
		watermarks: [2]window.Watermark{window.NewWatermark(g.Lateness), window.NewWatermark(g.Lateness)},
		versions:   make([]versions, len(g.Models)),
		recent:     [2]recent{newRecent(g.Deduplicate, g.MaxIDs), newRecent(g.Deduplicate, g.MaxIDs)},
		models:     make([]ModelStatus, len(g.Models)),
		limit:      window.EndOfTime, sure: window.NoTime,
	}
	for i, m := range g.Models {
		s.models[i] = ModelStatus{Model: m.Name, References: m.References}
		if p := m.config.Performance; p != nil {
			s.models[i].Task = p.Spec.Task
		}
	}
	s.labels = newLabels(g)
	s.bindKPIs()
	return s
}

// Apply judges a decoded event - rejected, late, duplicate, in this order - and
// folds it into its pane if it is none of these. It moves the watermark and seals
// what that closes.
func (s *Shard) Apply(ev *event.Event) (Outcome, event.Reason) {
	w := &s.watermarks[ev.Kind]
	m := &s.models[ev.Model]
	if reason := s.judge(ev, w); reason != event.Accepted {
		return OutcomeRejected, reason
	}
	s.recorded[ev.Kind] = max(s.recorded[ev.Kind], ev.RecordTime)
	if w.Sealed(ev.Time, s.group.Pane) {
		m.Late++
		return OutcomeLate, event.Accepted
	}
	repeated, began := s.recent[ev.Kind].repeated(s.group.Models[ev.Model].hash, ev.ID, ev.Time)
	if repeated {
		m.Duplicate++
		if ev.Kind == event.Label && s.labels != nil {
			s.labels.await(ev, s.group.Models[ev.Model]) // it may say something else
		}
		return OutcomeDuplicate, event.Accepted
	}
	m.Accepted++
	m.LastEvent = max(m.LastEvent, ev.Time)
	w.Observe(ev.Time)
	if began {
		s.recent[ev.Kind].forget(w.Time() - s.group.Pane)
	}
	if ev.Kind == event.Prediction {
		if s.anew != 0 && s.anewAt == window.NoTime {
			s.anewAt = s.beyond(ev.Time)
		}
		s.fold(ev)
	} else if s.labels != nil {
		s.labels.await(ev, s.group.Models[ev.Model])
		s.sealLabels()
	}
	return OutcomeAccepted, event.Accepted
}

// judge returns why an event of this time is not to be believed.
func (s *Shard) judge(ev *event.Event, w *window.Watermark) event.Reason {
	switch {
	case ev.Time < event.Ancient:
		return event.Past
	case ev.Time >= event.Beyond:
		return event.Future
	case ev.RecordTime > 0:
		if ev.Time-s.group.MaxFuture > ev.RecordTime { // a sum may overflow
			return event.Future
		}
	case s.group.MaxJump > 0 && w.Largest() != window.NoTime && ev.Time > w.Largest()+s.group.MaxJump:
		return event.Future
	}
	return event.Accepted
}

func (s *Shard) fold(ev *event.Event) {
	w := &s.watermarks[event.Prediction]
	name := s.versions[ev.Model].admit(ev.Version, ev.Time, w.Largest(), s.group.Longest())
	pane := s.open.Find(ev.Time)
	if pane == nil {
		pane = newPane(s.group.At(window.Floor(ev.Time, s.group.Pane)))
		s.open.Add(ev.Time, pane)
		if w.Largest() == ev.Time {
			s.closeHole(ev.Time)
		}
	}
	if s.learners != nil {
		s.learn(ev)
	}
	folded := &s.models[ev.Model].Folded
	if name == event.Other {
		folded[VersionLimit]++
	}
	m := pane.group.Models[ev.Model] // not the newest, whose segments may have other values
	if p := m.config.Performance; p != nil && !ev.Failed {
		p.answer(ev, &s.answer)
		if s.labels != nil {
			s.labels.predict(ev, m, name, &s.answer)
		}
	}
	folded[SegmentUnlisted] += pane.observe(ev, name, &s.answer, s.evalKPIs(ev), s.work)
	folded[FeatureUnlisted] += uint64(ev.Unlisted)
	if w.Time() >= s.open.FirstEnd() {
		s.seal(w.Time())
	}
	s.sealLabels()
}

func (s *Shard) seal(watermark int64) {
	for _, p := range s.open.Seal(watermark) {
		p.Content.seal(s.work)
		s.sealed = append(s.sealed, p)
	}
}

// Gap notes that predictions were lost between the last message and the next. Those that count were not
// before the frontier.
func (s *Shard) Gap() {
	if !s.inHole() {
		s.holes = append(s.holes, Hole{s.Frontier(), window.EndOfTime})
	}
}

// End seals all panes: no prediction is expected any more, and one that comes for them is late.
func (s *Shard) End() {
	if w := &s.watermarks[event.Prediction]; w.Largest() != window.NoTime {
		w.Reach(window.Floor(w.Largest(), s.group.Pane) + s.group.Pane)
		s.seal(w.Time())
		s.sealLabels()
	}
}

// inHole reports whether the last hole has no end yet.
func (s *Shard) inHole() bool {
	n := len(s.holes)
	return n > 0 && s.holes[n-1].To == window.EndOfTime
}

// closeHole ends the hole, if there is one without an end, at the first new pane, for an event of time t: what was
// lost came before it in the log, and was so much later at most as is allowed.
func (s *Shard) closeHole(t int64) {
	if s.inHole() {
		s.holes[len(s.holes)-1].To = s.beyond(t)
	}
}

// beyond returns the end of the last pane that may have events that came before one of time t in the log.
func (s *Shard) beyond(t int64) int64 {
	return window.Ceil(window.Floor(t, s.group.Pane)+s.group.Pane+s.group.Lateness, s.group.Pane)
}

// Renew says that the config has something new since a generation of Since: what came before the next prediction was
// not counted for it.
func (s *Shard) Renew(generation uint64) {
	if s.anew == 0 {
		s.anew = generation
	}
	s.anewAt = window.NoTime
}

// TakeRenewed returns for which generation, and those after it, a prediction was accepted since the last call, and
// from when on all that is new counts; 0 if there was none.
func (s *Shard) TakeRenewed() (generation uint64, at int64) {
	if s.anew == 0 || s.anewAt == window.NoTime {
		return 0, window.NoTime
	}
	generation, at = s.anew, s.anewAt
	s.anew, s.anewAt = 0, window.NoTime
	return generation, at
}

// Newest returns the end of the newest pane that there was, or window.NoTime.
func (s *Shard) Newest() int64 {
	if t := s.watermarks[event.Prediction].Largest(); t != window.NoTime {
		return window.Floor(t, s.group.Pane) + s.group.Pane
	}
	return window.NoTime
}

// TakeHoles returns the holes since the last call, and again the one that had no end then.
func (s *Shard) TakeHoles() []Hole {
	taken := s.holes
	s.holes = nil
	if n := len(taken); n > 0 && taken[n-1].To == window.EndOfTime {
		s.holes = []Hole{taken[n-1]}
	}
	return taken
}

// ForgottenIDs returns how many ids of events of a kind were forgotten, since the shard was made, although a
// repeat could still have come.
func (s *Shard) ForgottenIDs(k event.Kind) uint64 { return s.recent[k].forgotten }

// TakeSealed returns the panes that were sealed since the last call, in order.
func (s *Shard) TakeSealed() []SealedPane {
	sealed := s.sealed
	s.sealed = nil
	return sealed
}

// CopyOpen returns sealed copies of the open panes that start before the given time.
func (s *Shard) CopyOpen(before int64) []SealedPane {
	var copies []SealedPane
	for _, p := range s.open.All() {
		if p.Start < before {
			c := merger{s.work}.Clone(p.Content)
			c.seal(s.work)
			copies = append(copies, SealedPane{Start: p.Start, Content: c})
		}
	}
	return copies
}

// Recorded returns the largest record time that an event of the given kind had that was not rejected, 0 if none
// had one: an event without one is measured against it.
func (s *Shard) Recorded(k event.Kind) int64 { return s.recorded[k] }

// Watermark returns the lane's watermark of the given kind, or window.NoTime.
func (s *Shard) Watermark(k event.Kind) int64 { return s.watermarks[k].Time() }

// Frontier returns the end of the last pane that is sealed, or window.NoTime:
// what the predictions have reached, to the pane.
func (s *Shard) Frontier() int64 {
	w := s.Reached()
	if w == window.NoTime {
		return w
	}
	return window.Floor(w, s.group.Pane)
}

// Models returns the account of each model of the group in this lane.
func (s *Shard) Models() []ModelStatus { return s.models }
