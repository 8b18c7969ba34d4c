package app

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
)

// modelGroup is the models of one predictions topic, ready to be monitored.
type modelGroup struct {
	predictions, labels string
	models              []*config.Model
	monitor             *monitor.Group
	decode              decode.Options
	kpis                []*kpi.Set // the business figures, by model; nil: it has none
	// labelled: labels come that the config knows nothing of.
	labelled bool
}

// buildGroups makes the groups of the config, in order of their first models, and
// loads the references.
func buildGroups(c *config.Config) ([]*modelGroup, error) { return buildLabelled(c, false) }

// buildLabelled is buildGroups where, with labelled, labels may come whatever the config says.
func buildLabelled(c *config.Config, labelled bool) ([]*modelGroup, error) {
	var groups []*modelGroup
	for i := range c.Models {
		m := &c.Models[i]
		k := slices.IndexFunc(groups, func(g *modelGroup) bool { return g.predictions == m.Topics.Predictions })
		if k < 0 {
			k = len(groups)
			groups = append(groups, &modelGroup{predictions: m.Topics.Predictions, labels: m.Topics.Labels})
		}
		groups[k].models = append(groups[k].models, m)
	}
	for _, g := range groups {
		g.labelled = labelled
		if err := g.build(c); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

func (g *modelGroup) build(c *config.Config) error {
	g.kpis = make([]*kpi.Set, len(g.models))
	for i, m := range g.models {
		if len(m.KPIs) == 0 {
			continue
		}
		var err error
		if g.kpis[i], err = m.KPISet(); err != nil {
			return fmt.Errorf("model %q: %w", m.Name, err)
		}
	}
	g.monitor = &monitor.Group{
		Schema: g.schema(), Pane: int64(c.Pane), Lateness: int64(c.AllowedLateness),
		MaxFuture: int64(c.MaxFuture), MaxJump: int64(c.MaxJump), Deduplicate: int64(c.Deduplicate), MaxIDs: c.MaxIDs,
	}
	for _, w := range c.Windows {
		g.monitor.Windows = append(g.monitor.Windows, monitor.Window{Name: w.Name, Length: int64(w.Length)})
	}
	for i, m := range g.models {
		mc, err := g.model(m)
		if err != nil {
			return fmt.Errorf("model %q: %w", m.Name, err)
		}
		mc.KPIs = g.kpis[i]
		g.monitor.Models = append(g.monitor.Models, monitor.NewModel(mc, &g.monitor.Schema))
	}
	g.decode = decode.Options{Schema: g.monitor.Schema, Mapping: mapping(g.models), Limits: limits(c)}
	return nil
}

func limits(c *config.Config) decode.Limits {
	l := c.Limits
	return decode.Limits{MessageBytes: l.MessageBytes, Depth: l.Depth, Fields: l.Fields, StringBytes: l.StringBytes}
}

// schema is the union of what the models and their business figures want.
func (g *modelGroup) schema() event.Schema {
	var s event.Schema
	for _, m := range g.models {
		s.Models = append(s.Models, m.Name)
		s.Answers = s.Answers.Or(answers(m))
		for _, f := range m.AllFeatures() {
			if e := schemaFeature(f); !slices.Contains(s.Features, e) {
				s.Features = append(s.Features, e)
			}
		}
		for _, seg := range m.Segments {
			if !slices.Contains(s.Segments, seg.Name) {
				s.Segments = append(s.Segments, seg.Name)
			}
		}
	}
	for _, set := range g.kpis {
		if set == nil {
			continue
		}
		for _, e := range set.Needs() {
			if !slices.Contains(s.Features, e) {
				s.Features = append(s.Features, e)
			}
		}
	}
	return s
}

// answers is what measuring a model takes beside its outputs.
func answers(m *config.Model) event.Answers {
	if !m.Measured() {
		return event.Answers{}
	}
	return event.Answers{
		Interval: m.Task == "regression", Probabilities: m.Task == "multiclass", Items: m.Task == "ranking", Truth: true,
	}
}

func schemaFeature(f config.Feature) event.Feature {
	if f.Type == event.Categorical.String() {
		return event.Feature{Name: f.Name, Type: event.Categorical}
	}
	return event.Feature{Name: f.Name, Type: event.Numeric}
}

func (g *modelGroup) model(m *config.Model) (monitor.ModelConfig, error) {
	mc := monitor.ModelConfig{Name: m.Name, Learn: monitor.Learning{Length: int64(m.Reference.Learn), Topic: m.Topics.Predictions}, Verdicts: monitor.Verdicts{
		Statistics: m.Drift.Statistics, MinSamples: uint64(m.Drift.MinSamples), DecideBy: m.Drift.DecideBy, Against: m.Drift.AgainstVersion(), Trailing: int64(m.Drift.Trailing()),
		FalseAlarms: drift.FalseAlarms{Count: m.Drift.FalseAlarms.Count, Per: int64(m.Drift.FalseAlarms.Per)}, Features: map[string]monitor.FeatureVerdict{},
	}}
	for _, f := range m.AllFeatures() {
		mc.Features = append(mc.Features, slices.Index(g.monitor.Schema.Features, schemaFeature(f)))
		mc.Verdicts.Features[f.Name] = monitor.FeatureVerdict{DecideBy: f.DecideBy, Floor: f.Floor, Importance: f.Importance, Show: f.ShowCategories}
	}
	for _, c := range m.Changes {
		w := monitor.ChangeConfig{Figure: c.Figure, Feature: c.Feature, Detectors: c.Detectors}
		if c.Figure == monitor.PositiveRatio {
			w.Category = m.Positive
		}
		mc.Changes = append(mc.Changes, w)
	}
	if err := loadReferences(m, &mc); err != nil {
		return mc, err
	}
	mc.Performance = g.performance(m, &mc)
	for _, s := range m.Segments {
		values := s.Values
		if len(values) == 0 && mc.Reference != nil {
			values = mc.Reference.SegmentValues(s.Name)
		}
		mc.Segmentations = append(mc.Segmentations, monitor.Segmentation{
			Name: s.Name, Source: slices.Index(g.monitor.Schema.Segments, s.Name), Values: values,
		})
	}
	return mc, nil
}

func loadReferences(m *config.Model, mc *monitor.ModelConfig) (err error) {
	if m.Reference.File != "" {
		if mc.Reference, err = LoadProfile(m.Reference.File); err != nil {
			return err
		}
	}
	for v, file := range m.Reference.Versions {
		r, err := LoadProfile(file)
		if err != nil {
			return err
		}
		if mc.Versions == nil {
			mc.Versions = map[string]*profile.Reference{}
		}
		mc.Versions[v] = r
	}
	return nil
}

// LoadProfile reads a reference from its file.
func LoadProfile(file string) (*profile.Reference, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load profile: %w", err)
	}
	r, err := profile.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("load profile %s: %w", file, err)
	}
	return r, nil
}

// mapping of the group: its models share one, but each has paths of its own features.
func mapping(models []*config.Model) decode.Mapping {
	c := models[0].Mapping
	unit, _ := decode.ParseTimeUnit(c.TimeUnit) // config has checked it
	m := decode.Mapping{
		Type: c.Type, ID: c.ID, Time: c.Time, Model: c.Model, Version: c.Version, Features: c.Features, Segments: c.Segments,
		Score: c.Score, Label: c.Label, Value: c.Value, Lower: c.Lower, Upper: c.Upper, Scores: c.Scores, Items: c.Items,
		LatencyMS: c.LatencyMS, Status: c.Status,
		TrueLabel: c.TrueLabel, LabelItems: c.LabelItems, LabelTime: c.LabelTime, RecordTime: c.RecordTime,
		TimeUnit: unit, ParseStrings: c.ParseStrings, FeaturePaths: map[string]string{}, SegmentPaths: map[string]string{},
		ErrorStatus: decode.ErrorRule{MinStatus: c.Errors.MinStatus, Statuses: c.Errors.Statuses},
	}
	for _, model := range models {
		for _, f := range model.Features {
			if f.Path != "" {
				m.FeaturePaths[f.Name] = f.Path
			}
		}
		for _, s := range model.Segments {
			if s.Path != "" {
				m.SegmentPaths[s.Name] = s.Path
			}
		}
	}
	return m
}

// CheckReferences loads what the config refers to; `check` and the start of run use
// it. It returns what is worth a warning.
func CheckReferences(c *config.Config) (warnings []string, err error) {
	groups, err := buildGroups(c)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		for _, m := range g.models {
			warnings = append(warnings, referenceWarnings(m)...)
			p := monitor.ConfigOf(g.monitor.Models[g.monitor.Find(m.Name)]).Performance
			if p == nil {
				continue
			}
			for _, version := range slices.Sorted(maps.Keys(p.References)) {
				if w := performanceWarning(m, p, version); w != "" {
					warnings = append(warnings, w)
				}
			}
		}
	}
	return warnings, nil
}

func referenceWarnings(m *config.Model) (warnings []string) {
	if m.Reference.File == "" {
		if len(m.Reference.Versions) == 0 && m.Reference.Learn == 0 {
			return []string{fmt.Sprintf("model %q has no reference: no drift will be computed (make one with `streammon profile build`)", m.Name)}
		}
		return nil
	}
	r, err := LoadProfile(m.Reference.File)
	if err != nil {
		return nil // reported already
	}
	for _, f := range m.AllFeatures() {
		switch ref := r.Find(f.Name); {
		case ref == nil:
			warnings = append(warnings, fmt.Sprintf("model %q: the reference does not know the feature %q: it will have no drift figures", m.Name, f.Name))
		case ref.Type != schemaFeature(f).Type:
			warnings = append(warnings, fmt.Sprintf("model %q: feature %q is %s here and %s in the reference: it will have no drift figures", m.Name, f.Name, f.Type, ref.Type))
		}
	}
	for _, s := range m.Segments {
		if len(s.Values) == 0 && len(r.Segments[s.Name]) == 0 {
			warnings = append(warnings, fmt.Sprintf("model %q: segment %q has no values here, and none or too many in the reference: all its events will be in %s=%s", m.Name, s.Name, s.Name, event.Other))
		}
	}
	return warnings
}
