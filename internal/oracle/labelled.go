package oracle

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// GenerateLabelled makes a log as Generate does, of models with tasks: their answers have labels that are early,
// within the lateness and beyond, in time, at the very limits, after the timeout, late, missing, repeated, contradicting,
// without meaning, and without a prediction; ids come again after a while; timeouts are from seconds to
// more than the log. There is one model of the four without a task.
//
// What it makes does not depend on Setup.Pane and Setup.Windows.
func GenerateLabelled(rng *rand.Rand) (Setup, [][]Message) {
	l := &labeller{generator: newGenerator(rng)}
	l.ids = make([][]string, len(l.lanes))
	l.labelled = pick(rng, 0.5, 0.8, 1)
	l.setup.Deduplicate = pick(rng, 0, 0, 10*time.Second, time.Minute, 10*time.Minute)
	for i := range l.setup.Models {
		w := newWorld(rng)
		if rng.IntN(8) > 0 {
			l.setup.Models[i].Task = w.task
		}
		l.worlds = append(l.worlds, w)
	}
	l.write(400 + rng.IntN(800))
	return l.setup, l.arrived()
}

// Split takes the lanes apart into two topics: the labels, and all else. How the two of a lane
// are woven together again changes no outcome.
func Split(setup Setup, lanes [][]Message) (predictions, labels [][]Message) {
	predictions, labels = make([][]Message, len(lanes)), make([][]Message, len(lanes))
	for i, messages := range lanes {
		for _, m := range messages {
			to := predictions
			if e, reason := read(setup, m.Value); reason == event.Accepted && e.kind == event.Label {
				to = labels
			}
			to[i] = append(to[i], m)
		}
	}
	return predictions, labels
}

// labeller makes logs with labels.
type labeller struct {
	*generator
	worlds []*world // one for each model
	ids    [][]string
}

// write makes n requests, and the labels and broken messages that come with them.
func (l *labeller) write(n int) {
	for i := range n {
		l.advance()
		lane := l.rng.IntN(len(l.lanes))
		model := l.rng.IntN(len(l.worlds))
		id := l.id(lane, i)
		at, fact := l.eventTime(), l.worlds[model].fact(l.rng)
		members := with(l.predictionMembers(model, at, id), member{"prediction", l.answer(l.worlds[model], fact)})
		l.send(lane, at, l.object(members...), l.delay())
		if l.chance(l.labelled) {
			l.sendLabels(lane, model, at, id, fact)
		}
		if l.chance(l.broken) {
			l.sendBroken(lane, model, l.eventTime(), event.Reason(1+l.rng.IntN(int(event.Reasons)-1)))
		}
	}
}

// id returns a new one, or one of a request before, which may be of another model.
func (l *labeller) id(lane, i int) string {
	known := l.ids[lane]
	switch p := l.rng.Float64(); {
	case p < 0.05 && len(known) > 0:
		return known[len(known)-1]
	case p < 0.12 && len(known) > 0:
		return pick(l.rng, known...)
	}
	id := strconv.Itoa(i)
	if l.chance(0.7) {
		id = "request-" + id
	}
	l.ids[lane] = append(known, id)
	return id
}

// sendLabels sends the label of a request, and others with its id.
func (l *labeller) sendLabels(lane, model int, at int64, id string, f fact) {
	w := l.worlds[model]
	first := l.labelTime(at, w.task.Timeout)
	after := func() int64 { return first + int64(l.rng.ExpFloat64()*float64(pick(l.rng, time.Second, time.Minute))) }
	if l.chance(0.02) {
		lane = l.rng.IntN(len(l.lanes))
	}
	if l.chance(0.02) {
		l.sendLabel(lane, model, l.labelTime(at, w.task.Timeout), id, l.meaningless(w))
	}
	l.sendLabel(lane, model, first, id, l.truth(w, f))
	if l.chance(0.1) { // in other words, perhaps
		l.sendLabel(lane, model, after(), id, l.truth(w, f))
	}
	if l.chance(0.08) {
		l.sendLabel(lane, model, pick(l.rng, after(), l.labelTime(at, w.task.Timeout)), id, l.truth(w, w.fact(l.rng)))
	}
	if l.chance(0.05) {
		l.sendLabel(lane, model, first, fmt.Sprint("nobody-", l.rng.IntN(10)), l.truth(w, f))
	}
}

func (l *labeller) sendLabel(lane, model int, at int64, id, truth string) {
	members := append(l.head(model, at, `"label"`), member{"id", l.text(id)}, member{"label", truth})
	if l.chance(0.1) {
		members = append(members, member{"version", `"of the label"`}, member{"segments", `{"country":"DE"}`}, member{"status", "500"})
	}
	l.send(lane, at, l.object(members...), l.delay())
}

// labelTime returns the time of a label of a request made at the time.
func (l *labeller) labelTime(at int64, timeout time.Duration) int64 {
	lateness, limit := int64(l.setup.Lateness), int64(timeout)
	usual := l.rng.ExpFloat64() * float64(min(timeout, 20*time.Minute)) / 3
	near := timeout <= 6*time.Hour // else nothing else would be left of the log
	switch p := l.rng.Float64(); {
	case p < 0.1:
		return at - l.rng.Int64N(lateness+1)
	case p < 0.13:
		return at - lateness - l.rng.Int64N(int64(time.Minute))
	case p < 0.17:
		return pick(l.rng, at, at-1, at-lateness, at-lateness-1)
	case p < 0.21 && near:
		return at + pick(l.rng, limit-1, limit, limit+1)
	case p < 0.27 && near:
		return at + limit + l.rng.Int64N(limit/2)
	case p < 0.5:
		return floor(at+int64(usual), time.Second)
	}
	return at + int64(usual)
}
