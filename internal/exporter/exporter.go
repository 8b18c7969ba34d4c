package exporter

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/streammon/streammon/internal/monitor"
)

// Options of an exporter.
type Options struct {
	// MaxSeries is the budget of series; 0 is 10,000.
	MaxSeries int
	// Version, Revision and GoVersion are those of the program.
	Version, Revision, GoVersion string
}

// Exporter is a prometheus.Collector over a board.
type Exporter struct {
	board    *monitor.Board
	options  Options
	metrics  map[string]*metric
	registry *prometheus.Registry

	mu      sync.Mutex
	built   *monitor.Snapshot // what cached was made from
	cached  []prometheus.Metric
	dropped map[string]float64 // by reason

	refused    [len(refusedReasons)]atomic.Uint64
	waiting    atomic.Int64 // scrapes that wait for a rendering
	renderings []rendering  // one a format
}

// Reasons of refusing an HTTP client.
const (
	RefusedSlow   = "slow"   // closed to make room: the connection had sent no complete request
	RefusedIdle   = "idle"   // closed to make room: the connection waited between requests
	RefusedStuck  = "stuck"  // closed to make room: the answer took long to be read
	RefusedMethod = "method" // neither GET nor HEAD
	RefusedBody   = "body"   // a request with a body
	RefusedBusy   = "busy"   // more requests than are answered at once
)

var refusedReasons = [...]string{RefusedSlow, RefusedIdle, RefusedStuck, RefusedMethod, RefusedBody, RefusedBusy}

// New returns an exporter of what is published on the board.
func New(board *monitor.Board, o Options) *Exporter {
	if o.MaxSeries <= 0 {
		o.MaxSeries = 10_000
	}
	e := &Exporter{
		board: board, options: o, metrics: catalogue(), registry: prometheus.NewRegistry(),
		dropped: map[string]float64{}, renderings: make([]rendering, len(formats)),
	}
	e.registry.MustRegister(e, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// CountRefused counts an HTTP request or connection that was refused or ended, for one
// of the reasons of this package; others are not counted. It may be called by any goroutine.
func (e *Exporter) CountRefused(reason string) {
	for i, r := range refusedReasons {
		if r == reason {
			e.refused[i].Add(1)
		}
	}
}

// Describe describes all metrics.
func (e *Exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range e.metrics {
		ch <- m.desc
	}
}

// Collect sends the metrics of the newest snapshot.
func (e *Exporter) Collect(ch chan<- prometheus.Metric) {
	for _, m := range e.current() {
		ch <- m
	}
	for i, reason := range refusedReasons { // these change without a publication
		ch <- e.metrics["http_refused_total"].make(float64(e.refused[i].Load()), []string{reason})
	}
}

// current returns the metrics of the newest snapshot, made once for each.
func (e *Exporter) current() []prometheus.Metric {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.board.Load()
	if s == nil {
		s = &monitor.Snapshot{NotReady: "starting"}
	} else if s == e.built {
		return e.cached
	}
	e.cached, e.built = e.build(s), s
	return e.cached
}

// Status returns what is known of the series that were exported last; nil if none were.
func (e *Exporter) Status() *monitor.SeriesStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cached == nil {
		return nil
	}
	s := &monitor.SeriesStatus{Series: len(e.cached) + len(refusedReasons), Limit: e.options.MaxSeries}
	for _, n := range e.dropped {
		s.Dropped += uint64(n)
	}
	return s
}
