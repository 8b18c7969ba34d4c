package oracle

import (
	"fmt"
	"strconv"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// write makes n requests, and the labels and broken messages that come with them.
func (g *generator) write(n int) {
	for i := range n {
		g.advance()
		lane := g.rng.IntN(len(g.lanes))
		if g.chance(0.5) { // the first lanes have more traffic
			lane = g.rng.IntN(lane + 1)
		}
		id := fmt.Sprint("request-", i-g.rng.IntN(20)/19) // some ids come twice
		model := g.rng.IntN(len(g.models))
		at := g.eventTime()
		g.send(lane, at, g.prediction(model, at, id), g.delay())
		if g.chance(g.labelled) {
			at += int64(g.rng.ExpFloat64() * float64(10*time.Minute))
			g.send(lane, at, g.label(model, at, id), g.delay())
		}
		if g.chance(g.broken) {
			g.sendBroken(lane, model, g.eventTime(), event.Reason(1+g.rng.IntN(int(event.Reasons)-1)))
		}
	}
}

// advance moves the time to the next request, after a pause now and then, in which
// versions may change.
func (g *generator) advance() {
	gap := g.gap
	switch p := g.rng.Float64(); {
	case p < 0.001:
		gap = 24 * time.Hour
	case p < 0.004:
		gap = 3 * time.Hour
	case p < 0.02:
		gap = 10 * time.Minute
	}
	g.now += int64(g.rng.ExpFloat64() * float64(gap))
	if gap != g.gap || g.chance(0.003) {
		for i := range g.models {
			g.models[i].rollOut(g.rng)
		}
	}
}

// eventTime is now, often rounded down to a time at which something may begin.
func (g *generator) eventTime() int64 {
	unit := time.Nanosecond
	switch p := g.rng.Float64(); {
	case p < 0.05:
		unit = pick(g.rng, 10*time.Second, time.Minute)
	case p < 0.35:
		unit = time.Second
	case p < 0.4:
		unit = 250 * time.Millisecond
	case p < 0.8:
		unit = time.Millisecond
	}
	return floor(g.now, unit)
}

// delay is the time that a message takes to the log: mostly short, at times about
// the lateness, or far beyond.
func (g *generator) delay() time.Duration {
	scale := 2 * time.Second
	switch p := g.rng.Float64(); {
	case p < g.disorder/10:
		scale = 3 * time.Hour
	case p < g.disorder:
		scale = 2*g.setup.Lateness + 20*time.Second
	case p < 3*g.disorder:
		scale = max(g.setup.Lateness, 2*time.Second)
	}
	return time.Duration(g.rng.Float64() * float64(scale))
}

// send puts a message with the event time at into the lane, with a timestamp that
// does not make it an event of the future.
func (g *generator) send(lane int, at int64, text string, delay time.Duration) {
	arrival := at + int64(delay)
	recorded := ceil(arrival, time.Millisecond)
	switch {
	case g.chance(g.unstamped):
		recorded = pick(g.rng, 0, -int64(time.Millisecond))
	case g.chance(0.03): // a slow clock
		recorded = ceil(at-g.rng.Int64N(int64(g.setup.MaxFuture)), time.Millisecond)
	case g.chance(0.03): // as slow as can be
		recorded = ceil(at-int64(g.setup.MaxFuture), time.Millisecond)
	}
	g.append(lane, sending{Message{[]byte(text), recorded}, arrival})
}

func (g *generator) append(lane int, s sending) { g.lanes[lane] = append(g.lanes[lane], s) }

// prediction renders a request to a model and its answer.
func (g *generator) prediction(model int, at int64, id string) string {
	return g.object(g.predictionMembers(model, at, id)...)
}

func (g *generator) predictionMembers(model int, at int64, id string) []member {
	m, b := g.setup.Models[model], &g.models[model]
	members := g.head(model, at, pick(g.rng, "", `"prediction"`))
	if g.chance(0.9) {
		members = append(members, member{"id", g.quote(id)})
	}
	if version := b.version(g.rng); version != "" {
		members = append(members, member{"version", g.text(version)})
	} else {
		members = append(members, pick(g.rng, nil, []member{{"version", `""`}}, []member{{"version", "null"}})...)
	}
	members = append(members, g.service()...)
	members = append(members, g.values(m, b, at)...)
	if len(m.Segments) > 0 && g.chance(0.97) {
		members = append(members, member{"segments", g.segments(m)})
	}
	if g.chance(0.1) {
		members = append(members, pick(g.rng, member{"trace", `[1,{"a":[null,true]},"x"]`}, member{"Time", `"not this one"`},
			member{"extra", `{"time":0,"features":{"f0":1},"":{"":""}}`}, member{"label", `"early"`}))
	}
	return members
}

// head returns the members that all messages have.
func (g *generator) head(model int, at int64, kind string) []member {
	members := []member{{"time", g.time(at)}}
	if kind != "" {
		members = append(members, member{"type", kind})
	}
	if len(g.models) > 1 || g.chance(0.5) {
		members = append(members, member{"model", g.quote(g.setup.Models[model].Name)})
	}
	return members
}

func (g *generator) label(model int, at int64, id string) string {
	id = pick(g.rng, g.quote(id), strconv.Itoa(g.rng.IntN(1000)))
	return g.object(append(g.head(model, at, `"label"`), member{"id", id}, member{"label", pick(g.rng, `"fraud"`, "1", "0.5")})...)
}

// service renders the status and the latency.
func (g *generator) service() (members []member) {
	status := pick(g.rng, "", "", "null", "200", `"ok"`, `"200"`, "404", `"404"`, "499", `"ERROR 500"`, "true", "[500]")
	if g.chance(g.failed) {
		status = pick(g.rng, "500", "503", `"error"`, `"502"`, "500.0", "5e2")
	}
	if status != "" {
		members = append(members, member{"status", status})
	}
	latency := g.number(g.rng.ExpFloat64() * 20)
	if g.chance(0.1) {
		latency = pick(g.rng, "", "null", "-1", `"fast"`, "1e999", "true", "[1]", "0")
	}
	if latency != "" {
		members = append(members, member{"latency_ms", latency})
	}
	return members
}

// values renders the features and the outputs of a request made at the time.
func (g *generator) values(m Model, b *behaviour, at int64) (members []member) {
	drift := 0.0
	if at >= g.turn {
		drift = g.drift
	}
	var features, outputs []member
	for i, f := range m.Features {
		text := b.sources[i].value(g.writer, drift)
		switch {
		case text == "":
		case isOutput(f.Name):
			outputs = append(outputs, member{f.Name[len("prediction."):], text})
		default:
			features = append(features, member{f.Name, text})
		}
	}
	if g.chance(0.1) {
		features = append(features, member{"unknown", `"x"`}, member{"F0", "1"})
	}
	if g.chance(0.003) {
		members = append(members, member{"features", pick(g.rng, "null", "[]", `"f0"`, "5")})
	} else if len(features) > 0 || g.chance(0.5) {
		members = append(members, member{"features", g.object(features...)})
	}
	if len(outputs) > 0 || g.chance(0.1) {
		members = append(members, member{"prediction", g.object(outputs...)})
	}
	return members
}

func isOutput(name string) bool {
	return name == event.PredictionScore || name == event.PredictionLabel || name == event.PredictionValue
}

func (g *generator) segments(m Model) string {
	var members []member
	for _, s := range m.Segments {
		value := g.quote(pick(g.rng, append(s.Values, "XX")...))
		if g.chance(0.1) {
			value = pick(g.rng, "", "null", `""`, "5", "true", `["DE"]`, `"de"`, g.quote(event.Other))
		}
		if value != "" {
			members = append(members, member{s.Name, value})
		}
	}
	return g.object(members...)
}
