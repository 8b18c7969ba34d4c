package config

import (
	"slices"
	"time"
)

var modelKeys = slices.Concat([]field[Model]{
	{key: "name", read: func(v value, m *Model) { v.name(&m.Name) }},
	{key: "topics", read: func(v value, m *Model) { v.topics(&m.Topics) }},
	{key: "reference", read: func(v value, m *Model) { v.reference(&m.Reference) }},
	{key: "task", read: func(v value, m *Model) {
		v.oneOf(&m.Task, "binary", "multiclass", "regression", "ranking", "none")
	}},
	{key: "positive", read: func(v value, m *Model) { v.name(&m.Positive) }},
	{key: "features", read: func(v value, m *Model) { v.features(&m.Features) }},
	{key: "segments", read: func(v value, m *Model) { v.segments(&m.Segments) }},
	{key: "labels", read: func(v value, m *Model) { object(v, labelKeys, &m.Labels) }},
	{key: "drift", read: func(v value, m *Model) { object(v, driftKeys, &m.Drift) }},
	{key: "changes", read: func(v value, m *Model) { v.changes(&m.Changes) }},
	{key: "kpis", read: func(v value, m *Model) { v.kpis(&m.KPIs) }},
	{key: "alerts", read: func(v value, m *Model) { object(v, modelAlertKeys, &m.Alerts) }},
	{key: "mapping", read: func(v value, m *Model) { object(v, mappingKeys, &m.Mapping) }},
}, performanceKeys)

var topicKeys = []field[Topics]{
	{key: "predictions", read: func(v value, t *Topics) { v.topic(&t.Predictions) }},
	{key: "labels", read: func(v value, t *Topics) { v.topic(&t.Labels) }},
}

func (v value) topics(to *Topics) {
	object(v, topicKeys, to)
	if v.n.kind == mapping {
		v.r.require(v.path, "predictions", "the Kafka topic with the model's predictions")
	}
}

var labelKeys = []field[Labels]{
	{key: "timeout", read: func(v value, l *Labels) { v.duration(&l.Timeout, time.Second, 365*day) }},
	{key: "max_pending", read: func(v value, l *Labels) { v.integer(&l.MaxPending, 1, 100_000_000) }},
}

// model reads a model; what depends on several of its keys is in rules.go.
func (v value) model() Model {
	m := Model{
		Labels:      Labels{Timeout: day, MaxPending: 1_000_000},
		Performance: Performance{Beta: 1, Verdict: Verdict{MinSamples: 200}},
		Drift:       Drift{MinSamples: 200, FalseAlarms: FalseAlarms{Count: 1, Per: 30 * day}, Against: "reference"},
		Alerts:      DefaultModelAlerts(),
		Mapping:     Mapping{TimeUnit: "auto", Errors: Errors{MinStatus: 500, Statuses: []string{"error"}}},
	}
	object(v, modelKeys, &m)
	if v.n.kind == mapping {
		v.r.require(v.path, "name", "the model's name, unique in this file")
		v.r.require(v.path, "topics", "a mapping with the topic of predictions at least")
	}
	return m
}

var referenceKeys = []field[Reference]{
	{key: "file", read: func(v value, r *Reference) { v.profile(&r.File) }},
	{key: "versions", read: func(v value, r *Reference) { v.versions(r) }},
	{key: "learn", read: func(v value, r *Reference) { v.duration(&r.Learn, time.Minute, maxWindow) }},
}

// reference reads the short form, a file's name, or the long one.
func (v value) reference(to *Reference) {
	if v.scalar() {
		v.profile(&to.File)
		return
	}
	object(v, referenceKeys, to)
	if v.n.kind == mapping && len(v.n.entries) == 0 {
		v.fail("is empty: give file, learn or versions, or leave the key out")
	}
}

// profile reads the name of a file that must be there.
func (v value) profile(to *string) {
	v.file(to)
	if problem := unreadable(*to); *to != "" && problem != "" && !v.r.withoutReferences {
		v.fail("%s", problem)
	}
}

func (v value) versions(to *Reference) {
	to.Versions = map[string]string{}
	v.entries("a mapping of versions to files", func(key string, at position, child value) {
		var file string
		if v.keyName(key, at, child) {
			child.profile(&file)
		}
		to.Versions[key] = file
	})
	if v.n.kind == mapping && len(v.n.entries) == 0 {
		v.fail("is empty: give at least one version and its file")
	}
}

// keyName checks a key that is a name.
func (v value) keyName(key string, at position, child value) bool {
	problem := problem(key, maxNameBytes)
	if problem != "" {
		v.r.add(at, child.path, "the key %s %s", quote(key), problem)
	}
	return problem == ""
}
