package exporter

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// sample is a series before it has a place in the budget.
type sample struct {
	metric *metric
	value  float64
	labels []string
	tier   int // the smaller the more important
}

// Reasons of dropping series.
const (
	reasonModel = "model_share" // over the model's share of the budget
	reasonTotal = "total"       // no budget is left for models at all
	reasonOwn   = "partitions"  // nor for all of the models' accounts, topics and partitions
)

var dropReasons = [...]string{reasonModel, reasonTotal, reasonOwn}

// The tiers of importance of the monitor's own series; those of the program are tier 0 and always there.
const (
	tierAccount = iota + 1 // of models
	tierTopic
	tierPartition // and above, by metric
)

// partitionTiers are the metrics of partitions, the most important first.
var partitionTiers = []string{"consumer_lag_messages", "consumed_messages_total", "offset_gap_messages_total", "watermark_timestamp_seconds", "skipped_batches_total", "forgotten_ids_total"}

// The tiers of importance of a model's series.
const (
	tierWindow   = iota // service figures and verdicts over all traffic
	tierQuality         // data quality, the deciding figures, and the main ones of performance over all traffic
	tierDetail          // other figures over all traffic
	tierSegments        // added to the above for segments
)

func (e *Exporter) build(s *monitor.Snapshot) []prometheus.Metric {
	own := e.own(s)
	var byModel [][]sample
	if s.Exporting {
		byModel = e.models(s.Results)
	}
	// Besides these there are the drop counters, the number of series, and what Collect adds.
	left := e.options.MaxSeries - len(dropReasons) - 1 - len(refusedReasons)
	own = e.within(own, left)
	own = append(own, e.share(byModel, left-len(own))...)
	for _, reason := range dropReasons {
		own = append(own, e.sample("series_dropped_total", e.dropped[reason], reason))
	}
	series := e.sample("series", float64(len(own)+1+len(refusedReasons)))
	out := make([]prometheus.Metric, 0, len(own)+1)
	for _, x := range append(own, series) {
		out = append(out, x.metric.make(x.value, x.labels))
	}
	return out
}

func (m *metric) make(value float64, labels []string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if m.kind == counter {
		kind = prometheus.CounterValue
	}
	c, err := prometheus.NewConstMetric(m.desc, kind, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(m.desc, err)
	}
	return c
}

// within leaves out the least important of the monitor's own series, but none of the program's, and counts them.
func (e *Exporter) within(own []sample, most int) []sample {
	if len(own) <= most {
		return own
	}
	slices.SortStableFunc(own, func(a, b sample) int { return cmp.Compare(a.tier, b.tier) })
	always := slices.IndexFunc(own, func(s sample) bool { return s.tier > 0 })
	if always < 0 {
		return own
	}
	most = max(most, always)
	e.dropped[reasonOwn] += float64(len(own) - most)
	return own[:most]
}

// share gives each model its fair part of the budget: none is cut that wants no more
// than an equal part of what the smaller ones leave. It counts what it drops.
func (e *Exporter) share(models [][]sample, left int) []sample {
	slices.SortStableFunc(models, func(a, b []sample) int { return cmp.Compare(len(a), len(b)) })
	var out []sample
	for i, samples := range models {
		part := max(left/(len(models)-i), 0)
		if drop := len(samples) - part; drop > 0 {
			reason := reasonModel
			if part == 0 {
				reason = reasonTotal
			}
			e.dropped[reason] += float64(drop)
			slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.tier, b.tier) })
			samples = samples[:part]
		}
		left -= len(samples)
		out = append(out, samples...)
	}
	return out
}

func (e *Exporter) sample(name string, value float64, labels ...string) sample {
	return sample{metric: e.metrics[name], value: value, labels: labels}
}

// own are the series of the monitor itself.
func (e *Exporter) own(s *monitor.Snapshot) (out []sample) {
	tier := 0
	add := func(name string, value float64, labels ...string) {
		x := e.sample(name, value, labels...)
		x.tier = tier
		out = append(out, x)
	}
	o := &e.options
	add("build_info", 1, o.Version, o.Revision, o.GoVersion)
	add("series_limit", float64(o.MaxSeries))
	exporting := 0.0
	if s.Exporting {
		exporting = 1
	}
	add("exporting", exporting)
	add("memory_budget_bytes", float64(s.Memory.Budget))
	add("memory_limit_bytes", float64(s.Memory.Limit))
	add("memory_in_use_bytes", float64(s.Memory.InUse))
	add("memory_paused_seconds_total", s.Memory.Paused.Seconds())
	if s.Final != nil {
		add("results_write_failures_total", float64(s.Final.Failures))
	}
	if c := s.Config; c != nil {
		loaded := 0.0
		if c.Error == "" {
			loaded = 1
		}
		add("config_last_reload_successful", loaded)
		add("config_last_reload_success_timestamp_seconds", seconds(c.Loaded.UnixNano()))
		add("config_reload_failures_total", float64(c.Failures))
	}
	tier = tierAccount
	for i := range s.Models {
		m := &s.Models[i]
		model := label(m.Model)
		add("accepted_events_total", float64(m.Accepted), model)
		add("late_events_total", float64(m.Late), model)
		add("duplicate_events_total", float64(m.Duplicate), model)
		for fold, n := range m.Folded {
			add("folded_values_total", float64(n), model, monitor.Fold(fold).String())
		}
		if m.LastEvent != 0 {
			add("last_event_timestamp_seconds", seconds(m.LastEvent), model)
		}
		out = append(out, e.kpiFailures(m)...)
		for _, r := range m.References {
			add("reference_info", 1, model, label(r.Version), r.Fingerprint)
		}
		if m.Labels != nil { // else none come
			out = append(out, e.labels(model, m)...)
		}
		if l := m.Learning; l != nil { // else it is not learned
			learning := 1.0
			if l.Done {
				learning = 0
			}
			add("reference_learning", learning, model)
			if l.Until != 0 {
				add("reference_learning_until_timestamp_seconds", seconds(l.Until), model)
			}
		}
	}
	out = append(out, e.partitions(s.Partitions)...)
	tier = tierTopic
	for i := range s.Placements {
		if p := &s.Placements[i]; p.Labels > 0 {
			add("misplaced_labels_ratio", float64(p.Elsewhere)/float64(p.Labels), label(p.Topic))
		}
	}
	return append(out, e.state(s.State)...)
}

// state is nothing if no state is kept.
func (e *Exporter) state(s *monitor.StateStatus) (out []sample) {
	if s == nil {
		return nil
	}
	add := func(name string, value float64, labels ...string) {
		out = append(out, e.sample(name, value, labels...))
	}
	add("state_save_interval_seconds", s.Interval.Seconds())
	add("state_saves_total", float64(s.Saves))
	add("state_save_failures_total", float64(s.Failures))
	for _, reason := range slices.Sorted(maps.Keys(s.Resets)) {
		add("state_resets_total", float64(s.Resets[reason]), label(reason))
	}
	if s.LastSave.IsZero() {
		return out
	}
	add("state_last_save_timestamp_seconds", seconds(s.LastSave.UnixNano()))
	add("state_save_duration_seconds", s.Took.Seconds())
	add("state_save_held_seconds", s.Held.Seconds())
	add("state_save_bytes", float64(s.Bytes))
	return out
}

func (e *Exporter) partitions(ps []monitor.PartitionStatus) (out []sample) {
	add := func(name string, value float64, labels ...string) {
		x := e.sample(name, value, labels...)
		x.tier = tierTopic
		if i := slices.Index(partitionTiers, name); i >= 0 {
			x.tier = tierPartition + i
		}
		out = append(out, x)
	}
	type account struct {
		rejected      [event.Reasons]uint64
		letters, lost uint64
	}
	topics := map[string]*account{}
	var order []string
	for i := range ps {
		p := &ps[i]
		topic, index := label(p.Topic), strconv.Itoa(p.Partition)
		add("consumed_messages_total", float64(p.Consumed), topic, index)
		add("forgotten_ids_total", float64(p.ForgottenIDs), topic, index)
		add("offset_gap_messages_total", float64(p.Gap), topic, index)
		for _, s := range p.Skipped {
			add("skipped_batches_total", float64(s.Batches), topic, index, s.Reason)
		}
		if p.Lag >= 0 {
			add("consumer_lag_messages", float64(p.Lag), topic, index)
		}
		if p.Watermark != 0 {
			add("watermark_timestamp_seconds", seconds(p.Watermark), topic, index)
		}
		a := topics[topic]
		if a == nil {
			a = &account{}
			topics[topic] = a
			order = append(order, topic)
		}
		a.letters += p.DeadLetters
		a.lost += p.LostLetters
		for r, n := range p.Rejected {
			a.rejected[r] += n
		}
	}
	for _, topic := range order {
		for r := event.Accepted + 1; r < event.Reasons; r++ {
			add("rejected_messages_total", float64(topics[topic].rejected[r]), topic, r.String())
		}
		add("dead_letters_total", float64(topics[topic].letters), topic)
		add("dead_letters_dropped_total", float64(topics[topic].lost), topic)
	}
	return out
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// models are the series of the results, a list a model, in a stable order.
func (e *Exporter) models(results []*monitor.Result) (out [][]sample) {
	index := map[string]int{}
	type version struct{ model, version string }
	changed, compared := map[version]bool{}, map[version]bool{}
	for _, r := range results {
		i, ok := index[r.Model]
		if !ok {
			i = len(out)
			index[r.Model] = i
			out = append(out, nil)
		}
		out[i] = e.result(out[i], r)
		if v := (version{r.Model, r.Version}); len(r.Changes) > 0 && !changed[v] {
			changed[v] = true // all windows have the same detectors
			out[i] = e.changeTimes(out[i], r)
		}
		if v := (version{r.Model, r.Version}); r.Segment == "" && !compared[v] && len(r.Features) > 0 {
			compared[v] = true // as all windows are
			out[i] = e.references(out[i], r)
		}
	}
	return out
}

// adder appends the defined figures of one result.
type adder struct {
	e    *Exporter
	out  []sample
	base []string
	tier int // of segments
}

func (a *adder) add(tier int, name string, f monitor.Figure, labels ...string) {
	if f.IsZero() {
		return
	}
	all := append(slices.Clip(a.base), labels...)
	a.out = append(a.out, sample{a.e.metrics[name], float64(f), all, a.tier + tier})
}

func (e *Exporter) result(out []sample, r *monitor.Result) []sample {
	a := &adder{e: e, out: out, base: []string{label(r.Model), label(r.Version), label(r.Segment), r.Window}}
	if r.Segment != "" {
		a.tier = tierSegments
	}
	complete := monitor.Figure(0)
	if r.Complete {
		complete = 1
	}
	a.add(tierWindow, "window_events", monitor.Figure(r.Events))
	a.add(tierWindow, "window_end_timestamp_seconds", monitor.Figure(seconds(r.End.UnixNano())))
	a.add(tierWindow, "window_complete", complete)
	a.add(tierWindow, "requests_per_second", r.Service.RequestsPerSecond)
	a.add(tierWindow, "error_ratio", r.Service.ErrorRatio)
	for _, q := range r.Service.Latency {
		a.add(tierWindow, "latency_seconds", q.Value, q.Q)
	}
	if r.Judged > 0 {
		a.add(tierWindow, "drifted_features", monitor.Figure(r.Drifted))
		a.add(tierWindow, "drifted_importance_ratio", r.DriftedImportance)
	}
	a.verdict(r.Performance)
	for i := range r.Changes {
		c := &r.Changes[i]
		for _, d := range c.Detectors {
			a.add(tierWindow, "change_state", changeValues[d.State], label(c.Feature), c.Figure, d.Detector)
		}
	}
	if r.Performance != nil {
		a.performance(r.Performance)
	}
	a.kpis(r)
	for _, f := range byDrift(r.Features) {
		a.feature(f)
	}
	a.fairness(r)
	return a.out
}

// changeTimes appends when the detectors of a version found their newest changes.
func (e *Exporter) changeTimes(out []sample, r *monitor.Result) []sample {
	a := &adder{e: e, out: out, base: []string{label(r.Model), label(r.Version)}}
	for i := range r.Changes {
		c := &r.Changes[i]
		for _, d := range c.Detectors {
			if d.Found != 0 {
				a.add(tierWindow, "change_timestamp_seconds", monitor.Figure(seconds(d.Found)), label(c.Feature), c.Figure, d.Detector)
			}
		}
	}
	return a.out
}

// references appends what the features of a version are compared with.
func (e *Exporter) references(out []sample, r *monitor.Result) []sample {
	a := &adder{e: e, out: out, base: []string{label(r.Model), label(r.Version)}}
	for i := range r.Features {
		f := &r.Features[i]
		for _, q := range f.ReferenceQuantiles {
			a.add(tierDetail, "reference_quantile", q.Value, label(f.Name), q.Q)
		}
	}
	return a.out
}

var changeValues = map[string]monitor.Figure{monitor.StateOK: 0, monitor.StateWarning: 1, monitor.StateChange: 2}

var stateValues = map[string]monitor.Figure{monitor.StateOK: 0, monitor.StateWarning: 1, monitor.StateDrift: 2}

// byDrift orders features by their state, the worst first, then by name: those that
// moved are the last to be dropped.
func byDrift(features []monitor.FeatureResult) []*monitor.FeatureResult {
	out := make([]*monitor.FeatureResult, len(features))
	for i := range features {
		out[i] = &features[i]
	}
	slices.SortStableFunc(out, func(a, b *monitor.FeatureResult) int {
		return cmp.Or(cmp.Compare(stateValues[b.State], stateValues[a.State]), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (a *adder) feature(f *monitor.FeatureResult) {
	name := label(f.Name)
	if state, ok := stateValues[f.State]; ok {
		a.add(tierWindow, "drift_state", state, name)
	}
	all := float64(f.Count + f.Missing + f.Invalid)
	a.add(tierQuality, "feature_missing_ratio", monitor.Figure(float64(f.Missing)/all), name)
	a.add(tierQuality, "feature_invalid_ratio", monitor.Figure(float64(f.Invalid)/all), name)
	if f.HasReference {
		compared := float64(f.Count - f.Unmatched)
		if f.Type == event.Numeric.String() {
			a.add(tierQuality, "feature_out_of_range_ratio", monitor.Figure(float64(f.OutOfRange)/compared), name)
		} else {
			a.add(tierQuality, "feature_unseen_ratio", monitor.Figure(float64(f.Unseen)/compared), name)
		}
	}
	for i := range f.Drift {
		d := &f.Drift[i]
		a.add(tierQuality, "drift_"+d.Statistic, d.Value, name)
		a.add(tierDetail, "drift_pvalue", d.PValue, name, d.Statistic)
		a.add(tierDetail, "drift_threshold", d.Threshold, name, d.Statistic)
	}
	a.add(tierDetail, "feature_mean", f.Mean, name)
	a.add(tierDetail, "feature_stddev", f.StdDev, name)
	a.add(tierDetail, "feature_min", f.Min, name)
	a.add(tierDetail, "feature_max", f.Max, name)
	for _, q := range f.Quantiles {
		a.add(tierDetail, "feature_quantile", q.Value, name, q.Q)
	}
	if f.DistinctKnown {
		a.add(tierDetail, "feature_distinct", monitor.Figure(f.Distinct), name)
	}
}

// maxLabel is the longest label value in bytes.
const maxLabel = 128

// hashed is how a label value ends of which something was taken away.
var hashed = regexp.MustCompile(`…[0-9a-f]{16}$`)

// label makes a text fit for a label value: valid UTF-8, without control characters, which a
// terminal would obey, and no longer than maxLabel. A hash stands for what is taken away, so that
// different texts stay different; one that looks as if it had one gets one of its own.
func label(s string) string {
	if len(s) <= maxLabel && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) && !hashed.MatchString(s) {
		return s
	}
	h := sha256.Sum256([]byte(s))
	hash := fmt.Sprintf("…%x", h[:8])
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	for len(clean) > maxLabel-len(hash) {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	return clean + hash
}
