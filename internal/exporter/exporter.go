package exporter

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
}

// maxScrapes is how many scrapes are computed at once.
const maxScrapes = 4

// New returns an exporter of what is published on the board.
func New(board *monitor.Board, o Options) *Exporter {
	if o.MaxSeries <= 0 {
		o.MaxSeries = 10_000
	}
	e := &Exporter{
		board: board, options: o, metrics: catalogue(), registry: prometheus.NewRegistry(),
		dropped: map[string]float64{reasonModel: 0, reasonTotal: 0},
	}
	e.registry.MustRegister(e, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// Handler serves the metrics, in the text format or OpenMetrics as the scraper asks.
func (e *Exporter) Handler() http.Handler {
	return promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes, ErrorHandling: promhttp.ContinueOnError})
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
