package oracle

import (
	"fmt"
	"math"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// maxLiveVersions is how many versions of a model a lane tells apart at a time.
const maxLiveVersions = 8

// lane reads the messages of one lane in order.
type lane struct {
	setup  Setup
	ledger event.Ledger
	// largest is the largest accepted event time of each kind; math.MinInt64
	// before the first.
	largest map[event.Kind]int64
	// recorded is the largest record time of an event of each kind that was not rejected.
	recorded map[event.Kind]int64
	// live has, for each model, the largest accepted event time of each live
	// version.
	live []map[string]int64
	// ids has the times of all accepted events by kind, model and id.
	ids map[string][]int64
	// accepted are the predictions that count, with the version they count for.
	accepted []*entry
	// labels are those for the join: the accepted ones and the duplicates.
	labels []*entry
}

func newLane(setup Setup) *lane {
	l := &lane{setup: setup, ids: map[string][]int64{}, recorded: map[event.Kind]int64{}, largest: map[event.Kind]int64{event.Prediction: math.MinInt64, event.Label: math.MinInt64}}
	for range setup.Models {
		l.live = append(l.live, map[string]int64{})
	}
	return l
}

func (l *lane) take(m Message) {
	l.ledger.Consumed++
	e, reason := read(l.setup, m.Value)
	if reason == event.Accepted {
		recorded := m.RecordTime
		if recorded <= 0 {
			recorded = l.recorded[e.kind]
		}
		if reason = l.judgeTime(e.time, recorded); reason == event.Accepted {
			l.recorded[e.kind] = max(l.recorded[e.kind], recorded)
		}
	}
	switch {
	case reason != event.Accepted:
		l.ledger.Rejected[reason]++
	case l.late(e):
		l.ledger.Late++
	case l.repeated(e):
		l.ledger.Duplicate++
		if e.kind == event.Label {
			l.labels = append(l.labels, &e)
		}
	default:
		l.ledger.Accepted++
		l.accept(e)
	}
}

func (l *lane) judgeTime(at, recorded int64) event.Reason {
	switch {
	case recorded > 0 && at > recorded+int64(l.setup.MaxFuture):
		return event.Future
	case at >= event.Beyond:
		return event.Future
	case at < event.Ancient:
		return event.Past
	}
	return event.Accepted
}

// late reports whether the pane of the event is sealed: the watermark of its kind
// has reached the pane's end.
func (l *lane) late(e entry) bool {
	largest := l.largest[e.kind]
	if largest == math.MinInt64 {
		return false
	}
	watermark := largest - int64(l.setup.Lateness)
	return watermark >= floor(e.time, l.setup.Pane)+int64(l.setup.Pane)
}

// repeated reports whether an event with the id was accepted before, not too far away in time.
func (l *lane) repeated(e entry) bool {
	span := int64(l.setup.Deduplicate)
	if span == 0 || e.id == "" {
		return false
	}
	key := fmt.Sprint(e.kind, e.model, " ", e.id)
	for _, at := range l.ids[key] {
		if max(at-e.time, e.time-at) <= span {
			return true
		}
	}
	l.ids[key] = append(l.ids[key], e.time)
	return false
}

func (l *lane) accept(e entry) {
	l.largest[e.kind] = max(l.largest[e.kind], e.time)
	if e.kind == event.Label {
		l.labels = append(l.labels, &e)
		return
	}
	e.version = l.admit(e)
	l.accepted = append(l.accepted, &e)
}

// admit returns the version that the accepted prediction counts for: its own if
// that is live, or can be since there is a place, else the others. When all
// places are taken, the versions that were silent for the longest window lose
// theirs.
func (l *lane) admit(e entry) string {
	live := l.live[e.model]
	last, known := live[e.version]
	if known {
		live[e.version] = max(last, e.time)
		return e.version
	}
	if e.version == event.Other {
		return event.Other
	}
	if len(live) == maxLiveVersions {
		for version, last := range live {
			if l.largest[event.Prediction]-last >= int64(longest(l.setup.Windows)) {
				delete(live, version)
			}
		}
	}
	if len(live) == maxLiveVersions {
		return event.Other
	}
	live[e.version] = e.time
	return e.version
}

func longest(windows []Span) (length time.Duration) {
	for _, w := range windows {
		length = max(length, w.Length)
	}
	return length
}

// floor returns the largest multiple of unit that is not after t.
func floor(t int64, unit time.Duration) int64 {
	rest := t % int64(unit)
	if rest < 0 {
		rest += int64(unit)
	}
	return t - rest
}

// ceil returns the smallest multiple of unit that is not before t.
func ceil(t int64, unit time.Duration) int64 {
	return -floor(-t, unit)
}
