package oracle

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// maxShownVersions is how many versions of a model a window shows by name.
const maxShownVersions = 4

// Run reads the lanes, each in its order, to their ends and returns every final
// window. It panics if the length of a window or of the pane is not positive.
func Run(setup Setup, lanes [][]Message) Output {
	var out Output
	var accepted []*entry
	for _, messages := range lanes {
		l := newLane(setup)
		for _, m := range messages {
			l.take(m)
		}
		out.Ledger.Add(&l.ledger)
		accepted = append(accepted, l.accepted...)
	}
	out.Windows = windows(setup, accepted)
	return out
}

// windows returns the windows over the accepted predictions of all lanes.
func windows(setup Setup, accepted []*entry) (out []Window) {
	if len(accepted) == 0 {
		return nil
	}
	slices.SortStableFunc(accepted, func(a, b *entry) int { return cmp.Compare(a.time, b.time) })
	first := floor(accepted[0].time, setup.Pane)
	last := floor(accepted[len(accepted)-1].time, setup.Pane) + int64(setup.Pane)
	for _, span := range setup.Windows {
		slide := slideOf(span.Length, setup.Pane)
		for end := floor(first, slide) + int64(slide); end <= ceil(last, slide); end += int64(slide) {
			start := end - int64(span.Length)
			for _, w := range series(setup, between(accepted, start, end)) {
				w.Name, w.Length, w.Start, w.End = span.Name, span.Length, start, end
				w.Complete = start >= first
				w.RequestsPerSecond = float64(w.Events) / span.Length.Seconds()
				out = append(out, w)
			}
		}
	}
	slices.SortFunc(out, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Length, b.Length))
	})
	return out
}

// slideOf returns by how much a window of the length slides.
func slideOf(length, pane time.Duration) time.Duration {
	slide := pane
	for _, tier := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		if tier > pane && tier <= length/60 {
			slide = tier
		}
	}
	return slide
}

// between returns the events with start <= time < end.
func between(sorted []*entry, start, end int64) []*entry {
	from := sort.Search(len(sorted), func(i int) bool { return sorted[i].time >= start })
	to := sort.Search(len(sorted), func(i int) bool { return sorted[i].time >= end })
	return sorted[from:to]
}

// series returns what the events of a window are for each model, shown version
// and segment.
func series(setup Setup, events []*entry) (out []Window) {
	if len(events) == 0 {
		return nil
	}
	for i, m := range setup.Models {
		var own []*entry
		for _, e := range events {
			if e.model == i {
				own = append(own, e)
			}
		}
		shown := shownVersions(own)
		groups := map[[2]string][]*entry{}
		for _, e := range own {
			version := e.version
			if !slices.Contains(shown, version) {
				version = event.Other
			}
			for _, segment := range e.segments {
				key := [2]string{version, segment}
				groups[key] = append(groups[key], e)
			}
		}
		for key, group := range groups {
			w := summarize(m, group)
			w.Model, w.Version, w.Segment = m.Name, key[0], key[1]
			out = append(out, w)
		}
	}
	return out
}

// shownVersions returns the versions with the most events, of equal ones those
// whose names come first.
func shownVersions(events []*entry) []string {
	counts := map[string]int{}
	for _, e := range events {
		if e.version != event.Other {
			counts[e.version]++
		}
	}
	return most(counts)
}

// most returns the names of the largest counts, as many as are shown.
func most(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), maxShownVersions)]
}
