package oracle

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// Generate makes a random setup of one to three models and a log of about 400 to
// 1,500 messages for it, in one to six lanes, over hours to days of event time:
// with disorder within and beyond the lateness, pauses, rollouts of up to twelve
// versions a model, drift, requests that fail, labels, values and messages that
// are broken in every way, and records without a timestamp.
//
// The same random numbers give the same log. What it makes does not depend on
// Setup.Pane and Setup.Windows, so that a caller may set these anew.
func Generate(rng *rand.Rand) (Setup, [][]Message) {
	g := newGenerator(rng)
	g.write(400 + rng.IntN(800))
	return g.setup, g.arrived()
}

// sending is a message and the time at which it reaches the log.
type sending struct {
	Message
	arrival int64
}

// generator makes the messages of one log.
type generator struct {
	writer
	setup Setup
	// models has what Setup does not say of each model.
	models []behaviour
	lanes  [][]sending
	// now is the time at which requests are made, turn the time from which on
	// they drift by drift.
	now, turn int64
	drift     float64
	// gap is the mean time between two requests.
	gap time.Duration
	// Shares of messages.
	broken, failed, labelled, unstamped, disorder float64
}

// behaviour is how a model's messages come out.
type behaviour struct {
	// sources has one source for each feature.
	sources  []source
	versions []string
	// weights are the shares of traffic of each version at the time.
	weights []float64
}

// arrived returns the lanes in the order in which the messages reach them.
func (g *generator) arrived() [][]Message {
	lanes := make([][]Message, len(g.lanes))
	for i, sent := range g.lanes {
		slices.SortStableFunc(sent, func(a, b sending) int { return cmp.Compare(a.arrival, b.arrival) })
		for _, s := range sent {
			lanes[i] = append(lanes[i], s.Message)
		}
	}
	return lanes
}

func newGenerator(rng *rand.Rand) *generator {
	g := &generator{
		writer: writer{rng},
		lanes:  make([][]sending, 1+rng.IntN(6)),
		gap:    pick(rng, 200*time.Millisecond, time.Second, 5*time.Second, 20*time.Second),
		drift:  pick(rng, 0, 0.3, 2),
		broken: pick(rng, 0.02, 0.1), failed: pick(rng, 0, 0.02, 0.2), labelled: pick(rng, 0, 0.1, 0.3),
		unstamped: pick(rng, 0, 0.1, 1), disorder: pick(rng, 0.01, 0.05, 0.2),
	}
	g.now = time.Date(2015+rng.IntN(15), 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() + rng.Int64N(int64(365*24*time.Hour))
	g.turn = g.now + rng.Int64N(int64(2*time.Hour))
	g.setup = Setup{
		Windows:   someWindows(rng),
		Pane:      pick(rng, 10*time.Second, 10*time.Second, 10*time.Second, 30*time.Second, time.Minute),
		Lateness:  pick(rng, 0, 5*time.Second, 30*time.Second, 30*time.Second, 2*time.Minute),
		MaxFuture: pick(rng, 10*time.Second, time.Minute),
	}
	for i := range 1 + rng.IntN(3) {
		m, b := newModel(rng, fmt.Sprint("model-", i))
		g.setup.Models, g.models = append(g.setup.Models, m), append(g.models, b)
	}
	return g
}

// someWindows returns at least two lengths of window, all of which are multiples
// of their slides.
func someWindows(rng *rand.Rand) []Span {
	all := []Span{
		{"1m", time.Minute}, {"2m", 2 * time.Minute}, {"5m", 5 * time.Minute}, {"15m", 15 * time.Minute},
		{"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour},
	}
	rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:2+rng.IntN(2)]
}

func newModel(rng *rand.Rand, name string) (Model, behaviour) {
	m, b := Model{Name: name}, behaviour{}
	add := func(name string, s source, f Feature) {
		if f.Name = name; rng.IntN(5) == 0 {
			f.Reference = nil
		}
		m.Features, b.sources = append(m.Features, f), append(b.sources, s)
	}
	for i := range 1 + rng.IntN(4) {
		categorical := rng.IntN(3) == 0
		s, ref := newSource(rng, categorical)
		add(fmt.Sprint("f", i), s, Feature{Categorical: categorical, Reference: ref})
	}
	if rng.IntN(2) == 0 {
		s := source{number: scoreSource, missing: 0.01, invalid: 0.01}
		add(event.PredictionScore, s, Feature{Reference: numericReference(rng, s, 150)})
	}
	if rng.IntN(3) == 0 {
		s, ref := newSource(rng, true)
		add(event.PredictionLabel, s, Feature{Categorical: true, Reference: ref})
	}
	if rng.IntN(5) == 0 {
		s, ref := newSource(rng, false)
		add(event.PredictionValue, s, Feature{Reference: ref})
	}
	if rng.IntN(3) > 0 {
		m.Segments = append(m.Segments, Segment{"country", []string{"DE", "FR"}})
	}
	if rng.IntN(4) == 0 {
		m.Segments = append(m.Segments, Segment{"device", []string{"phone"}})
	}
	for i := range 1 + rng.IntN(12) {
		b.versions = append(b.versions, strconv.Itoa(i+1))
	}
	if rng.IntN(3) == 0 {
		b.versions[0] = ""
	}
	b.rollOut(rng)
	return m, b
}

// rollOut changes which versions have how much of the traffic.
func (b *behaviour) rollOut(rng *rand.Rand) {
	b.weights = make([]float64, len(b.versions))
	b.weights[rng.IntN(len(b.weights))] = 1
	for i := range b.weights {
		if rng.IntN(2) == 0 {
			b.weights[i] += math.Exp(-3 * rng.Float64())
		}
	}
}

func (b *behaviour) version(rng *rand.Rand) string {
	var total float64
	for _, weight := range b.weights {
		total += weight
	}
	at := total * rng.Float64()
	for i, weight := range b.weights {
		if at -= weight; at < 0 {
			return b.versions[i]
		}
	}
	return b.versions[0]
}
