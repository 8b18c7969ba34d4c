package config

import (
	"fmt"
	"reflect"
)

// part is a part of a config that a running program cannot change at once.
type part[T any] struct {
	key string
	of  func(*T) any
}

// fixedParts take a restart, the others that windows are built anew from what they were.
var fixedParts = []part[Config]{
	{"kafka", func(c *Config) any { return c.Kafka }},
	{"dead_letters", func(c *Config) any { return c.DeadLetters }},
	{"state", func(c *Config) any { return c.State }},
	{"pane", func(c *Config) any { return c.Pane }},
	{"max_series", func(c *Config) any { return c.MaxSeries }},
}

var shapingParts = []part[Config]{
	{"windows", func(c *Config) any { return c.Windows }},
	{"allowed_lateness", func(c *Config) any { return c.AllowedLateness }},
	{"max_future", func(c *Config) any { return c.MaxFuture }},
	{"max_jump", func(c *Config) any { return c.MaxJump }},
	{"deduplicate", func(c *Config) any { return c.Deduplicate }},
	{"max_ids", func(c *Config) any { return c.MaxIDs }},
	{"limits", func(c *Config) any { return c.Limits }},
}

var shapingModelParts = []part[Model]{
	{"name", func(m *Model) any { return m.Name }},
	{"topics", func(m *Model) any { return m.Topics }},
	{"reference.learn", func(m *Model) any { return m.Reference.Learn }},
	{"task", func(m *Model) any { return m.Task }},
	{"positive", func(m *Model) any { return m.Positive }},
	{"features", func(m *Model) any { return m.inputs() }},
	{"segments", func(m *Model) any { return m.Segments }},
	{"labels", func(m *Model) any { return m.Labels }},
	{"drift.against", func(m *Model) any { return m.Drift.Trailing() }},
	{"changes", func(m *Model) any { return m.Changes }},
	{"kpis", func(m *Model) any { return m.KPIs }},
	{"mapping", func(m *Model) any { return m.Mapping }},
	{"threshold", func(m *Model) any { return m.Performance.Threshold }},
	{"cost", func(m *Model) any { return m.Performance.Cost }},
	{"beta", func(m *Model) any { return m.Performance.Beta }},
	{"classes", func(m *Model) any { return m.Performance.Classes }},
	{"top_k", func(m *Model) any { return m.Performance.TopK }},
	{"levels", func(m *Model) any { return m.Performance.Levels }},
	{"catalog", func(m *Model) any { return m.Performance.Catalog }},
	{"fairness", func(m *Model) any { return m.Performance.Fairness }},
	{"calibrated", func(m *Model) any { return m.Performance.Calibrated }},
}

// inputs are the features without what says how they are judged.
func (m *Model) inputs() []Feature {
	features := m.AllFeatures()
	for i := range features {
		f := &features[i]
		*f = Feature{Name: f.Name, Type: f.Type, Path: f.Path}
	}
	return features
}

// Compare returns the keys in which next differs from c: those that a running program cannot change, and those for which it has to
// build its windows anew from what they were. What is left are the files of references, how drift and performance are judged, and what generated alert rules are like.
func (c *Config) Compare(next *Config) (restart, rebuild []string) {
	restart, rebuild = differing(c, next, fixedParts), differing(c, next, shapingParts)
	if len(c.Models) != len(next.Models) {
		return restart, append(rebuild, "models")
	}
	for i := range c.Models {
		for _, key := range differing(&c.Models[i], &next.Models[i], shapingModelParts) {
			rebuild = append(rebuild, fmt.Sprintf("models[%d].%s", i, key))
		}
	}
	return restart, rebuild
}

func differing[T any](a, b *T, parts []part[T]) (keys []string) {
	for _, p := range parts {
		if !reflect.DeepEqual(p.of(a), p.of(b)) {
			keys = append(keys, p.key)
		}
	}
	return keys
}
