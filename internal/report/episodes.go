package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// maxEpisodes is how many a report tells of a model: the newest.
const maxEpisodes = 200

// Episode is a time in which a feature had moved, or the answers were worse, by windows of one length over all traffic.
type Episode struct {
	Version string `json:"version"`
	Window  string `json:"window"`
	// Feature is empty for the answers.
	Feature string `json:"feature,omitempty"`
	// State is the worst.
	State string `json:"state"`
	// From is when it began to move, or else the end of the first window that showed it; Until is the end of the last one, and Open says that it
	// is the newest of all.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Open  bool      `json:"open,omitempty"`
	// Text says what moved, when it was worst; empty if that is not known.
	Text string `json:"text,omitempty"`

	model  string
	slide  time.Duration
	effect float64 // when it was worst
}

// episodes gathers those of all series, by the states of windows in order of their ends.
type episodes struct {
	open map[episodeKey]*Episode
	all  []*Episode
	last map[episodeKey]time.Time // end of the newest window, by model and window
}

type episodeKey struct{ model, version, window, feature string }

func newEpisodes() *episodes {
	return &episodes{open: map[episodeKey]*Episode{}, last: map[episodeKey]time.Time{}}
}

// note takes the state of a feature, or of the answers; an empty one is no state. The larger the effect, the worse it is.
func (e *episodes) note(k episodeKey, state string, end time.Time, slide time.Duration, since int64, effect float64, text func() string) {
	e.last[episodeKey{model: k.model, window: k.window}] = end
	o := e.open[k]
	if rank[state] < rank[monitor.StateWarning] {
		delete(e.open, k)
		return
	}
	if o == nil || end.Sub(o.Until) > slide {
		o = &Episode{Version: k.version, Window: k.window, Feature: k.feature, From: end, model: k.model, slide: slide}
		if since > 0 {
			o.From = time.Unix(0, since).UTC()
		}
		e.open[k] = o
		e.all = append(e.all, o)
	}
	o.Until = end
	worse := rank[state] > rank[o.State]
	if worse {
		o.State = state
	}
	if text != nil && (worse || rank[state] == rank[o.State] && effect > o.effect) {
		o.Text, o.effect = text(), effect
	}
}

// of returns the episodes of a model, the newest first, and how many older ones there are beside.
func (e *episodes) of(model string) (out []Episode, left int) {
	for _, o := range e.all {
		if o.model != model {
			continue
		}
		x := *o
		x.Open = e.last[episodeKey{model: model, window: x.Window}].Sub(x.Until) < x.slide
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b Episode) int {
		return cmp.Or(b.Until.Compare(a.Until), b.From.Compare(a.From), strings.Compare(a.Feature, b.Feature), strings.Compare(a.Version, b.Version))
	})
	n := min(len(out), maxEpisodes)
	return out[:n], len(out) - n
}

// add takes a result of all traffic.
func (e *episodes) add(r *monitor.Result, slide time.Duration) {
	if r.Segment != "" {
		return
	}
	k := episodeKey{r.Model, r.Version, r.Window, ""}
	if r.Performance != nil && r.Performance.Labelled {
		e.note(k, r.Performance.State, r.End, slide, 0, -float64(r.Performance.PValue), func() string { return PerformanceText(r.Performance) })
	}
	for i := range r.Features {
		f := &r.Features[i]
		k.feature = f.Name
		e.note(k, f.State, r.End, slide, f.Since, Over(decisive(f)), func() string { return movedText(f) })
	}
}

// history takes the states that a history has.
func (e *episodes) history(h *monitor.History) {
	for _, t := range h.Tracks() {
		if t.Segment != "" {
			continue
		}
		for _, c := range t.Columns() {
			if c.Figure != "state" {
				continue
			}
			for _, p := range t.Points(c) {
				state := monitor.StateOf(p.Value)
				if t.Labels && state == monitor.StateDrift {
					state = "worse"
				}
				e.note(episodeKey{t.Model, t.Version, t.Window, c.Feature}, state, time.Unix(0, p.End).UTC(), time.Duration(t.Slide), 0, 0, nil)
			}
		}
	}
}
