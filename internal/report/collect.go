package report

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// Collector makes a snapshot of final results, for a report of a whole log. Its memory is bounded by the series, not by the log.
type Collector struct {
	slide        func(length int64) int64
	main, labels *monitor.Recorder
	batch        []*monitor.Result // of one end
	newest       map[episodeKey][]*monitor.Result
	episodes     *episodes
}

// NewCollector returns an empty one; slide returns by how much windows of a length slide.
func NewCollector(slide func(length int64) int64) *Collector {
	return &Collector{slide: slide, main: monitor.NewRecorder(false), labels: monitor.NewRecorder(true), newest: map[episodeKey][]*monitor.Result{}, episodes: newEpisodes()}
}

// Add takes the next result, in the order of results.
func (c *Collector) Add(r *monitor.Result) {
	if len(c.batch) > 0 && !c.batch[0].End.Equal(r.End) {
		c.flush()
	}
	c.batch = append(c.batch, r)
	k := episodeKey{model: r.Model, window: r.Window}
	if was := c.newest[k]; len(was) > 0 && !was[0].End.Equal(r.End) {
		c.newest[k] = nil
	}
	c.newest[k] = append(c.newest[k], r)
	c.episodes.add(r, time.Duration(c.slide(r.Length)))
}

// flush hands the results of one end to the history.
func (c *Collector) flush() {
	lengths := map[int64]bool{}
	for _, r := range c.batch {
		lengths[r.Length] = true
	}
	for length := range lengths {
		var main, labels []*monitor.Result
		for _, r := range c.batch {
			if r.Length != length {
				continue
			}
			if r.Events > 0 {
				main = append(main, r)
			}
			if r.Performance != nil && r.Performance.Labelled {
				l := *r
				l.Complete = r.Performance.Complete
				labels = append(labels, &l)
			}
		}
		c.main.Add(main, c.slide(length))
		c.labels.Add(labels, c.slide(length))
	}
	c.batch = c.batch[:0]
}

// Fill puts what was collected into a snapshot, and returns what New is to know of it.
func (c *Collector) Fill(s *monitor.Snapshot, o Options) Options {
	c.flush()
	for _, results := range c.newest {
		s.Results = append(s.Results, results...)
	}
	slices.SortFunc(s.Results, monitor.CompareSeries)
	s.History = monitor.JoinHistories(c.main.History(), c.labels.History())
	o.episodes = c.episodes
	return o
}
