package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/exporter"
)

// The uids of the dashboards; they never change, so that links and bookmarks stay good.
const (
	OverviewUID = "streammon-overview"
	ModelUID    = "streammon-model"
	FeaturesUID = "streammon-features"
	FeatureUID  = "streammon-feature"
	MonitorUID  = "streammon-monitor"
)

// Dashboards returns the five dashboards. They fit all models if c is nil; else those of the config: its models,
// windows, tasks, and what else it has figures for.
func Dashboards(c *config.Config) ([]File, error) {
	s := newDashboardSet(c)
	var out []File
	for _, d := range []*board{s.overview(), s.model(), s.features(), s.feature(), s.monitor()} {
		text, err := encodeDashboard(&d.dashboard)
		if err != nil {
			return nil, fmt.Errorf("generate dashboard %s: %w", d.UID, err)
		}
		out = append(out, File{Name: strings.TrimPrefix(d.UID, "streammon-") + ".json", Data: text})
	}
	if err := errors.Join(s.errs...); err != nil {
		return nil, fmt.Errorf("generate dashboards: %w", err)
	}
	return out, nil
}

func encodeDashboard(d *dashboard) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// jsonObject is JSON whose form is the panel type's.
type jsonObject = map[string]any

// dashboard is the classic model of Grafana, as far as it is used here.
type dashboard struct {
	ID            any          `json:"id"` // null: the server gives it
	UID           string       `json:"uid"`
	Title         string       `json:"title"`
	Description   string       `json:"description"`
	Tags          []string     `json:"tags"`
	SchemaVersion int          `json:"schemaVersion"`
	Editable      bool         `json:"editable"`
	GraphTooltip  int          `json:"graphTooltip"` // 1: one cursor for all panels
	Timezone      string       `json:"timezone"`
	Refresh       string       `json:"refresh"`
	Time          jsonObject   `json:"time"`
	Links         []jsonObject `json:"links"`
	Annotations   jsonObject   `json:"annotations"`
	Templating    jsonObject   `json:"templating"`
	Panels        []*panel     `json:"panels"`
	variables     []variable   // of Templating
}

// schemaVersion is that of Grafana 10.4 and 11; newer ones bring it up to theirs.
const schemaVersion = 39

// datasource is the one that the user chose. There is no other, so that a dashboard can be imported anywhere.
var datasource = jsonObject{"type": "prometheus", "uid": "${datasource}"}

// dashboardSet is what the dashboards have in common.
type dashboardSet struct {
	config  *config.Config // nil: any
	metrics map[string]exporter.Metric
	errs    []error
}

func newDashboardSet(c *config.Config) *dashboardSet {
	s := &dashboardSet{config: c, metrics: map[string]exporter.Metric{}}
	for _, m := range exporter.Metrics() {
		s.metrics[m.Name] = m
	}
	return s
}

// has reports whether some model of the config has what a part of a dashboard is about; without a config one may.
func (s *dashboardSet) has(ok func(m *config.Model) bool) bool {
	if s.config == nil {
		return true
	}
	for i := range s.config.Models {
		if ok(&s.config.Models[i]) {
			return true
		}
	}
	return false
}

// metric returns the metric, which must be in the catalogue.
func (s *dashboardSet) metric(name string) exporter.Metric {
	m, ok := s.metrics["streammon_"+name]
	if !ok {
		s.errs = append(s.errs, fmt.Errorf("there is no metric streammon_%s", name))
	}
	return m
}

var matcherLabel = regexp.MustCompile(`^([a-z_]+)(?:=|!=|=~|!~)"`)

// sel selects the series of a metric of the chosen jobs and instances. Matchers are in the notation of PromQL,
// and of labels that the metric has.
func (s *dashboardSet) sel(name string, matchers ...string) string {
	m := s.metric(name)
	for _, x := range matchers {
		label := matcherLabel.FindStringSubmatch(x)
		if label == nil || !slices.Contains(m.Labels, label[1]) {
			s.errs = append(s.errs, fmt.Errorf("streammon_%s has no label for the matcher %s", name, x))
		}
	}
	return "streammon_" + name + "{" + strings.Join(append(chosenTargets(), matchers...), ", ") + "}"
}

func chosenTargets() []string { return []string{`job=~"$job"`, `instance=~"$instance"`} }

// anyOf selects the series of several metrics by their names, which are told apart by a label made of the part
// after the prefix.
func (s *dashboardSet) anyOf(label, prefix string, names []string, matchers ...string) string {
	labels := map[string]bool{}
	for _, n := range names {
		for _, l := range s.metric(prefix + n).Labels {
			labels[l] = true
		}
	}
	for _, x := range matchers {
		if l := matcherLabel.FindStringSubmatch(x); l == nil || !labels[l[1]] {
			s.errs = append(s.errs, fmt.Errorf("none of streammon_%s(%s) has a label for the matcher %s", prefix, strings.Join(names, "|"), x))
		}
	}
	name := `__name__=~"streammon_` + prefix + `(` + strings.Join(names, "|") + `)"`
	all := "{" + strings.Join(append(append([]string{name}, chosenTargets()...), matchers...), ", ") + "}"
	return fmt.Sprintf(`label_replace(%s, "%s", "$1", "__name__", "streammon_%s(.+)")`, all, label, prefix)
}

// counter selects the series of a counter; of nothing else.
func (s *dashboardSet) counter(name string, matchers ...string) string {
	if m := s.metric(name); !m.Counter {
		s.errs = append(s.errs, fmt.Errorf("streammon_%s is no counter: it has no rate", name))
	}
	return s.sel(name, matchers...)
}

// perSecond is the rate of a counter.
func (s *dashboardSet) perSecond(name string, matchers ...string) string {
	return "rate(" + s.counter(name, matchers...) + "[$__rate_interval])"
}

// growth is how much a counter grew.
func (s *dashboardSet) growth(name string, matchers ...string) string {
	return "increase(" + s.counter(name, matchers...) + "[$__rate_interval])"
}

// maxBy is an aggregation by labels: the target's own are aggregated away, so that a restart at another address goes on.
func maxBy(labels, expr string) string { return "max by (" + labels + ") (" + expr + ")" }

// sumBy is a sum by labels.
func sumBy(labels, expr string) string { return "sum by (" + labels + ") (" + expr + ")" }

// top keeps those of the series, told apart by the labels, for which rank was highest over the whole time that is
// shown: the same ones at every point, which topk alone would not.
func top(k int, labels, expr, rank string) string {
	return fmt.Sprintf("%s and on (%s) topk(%d, max by (%s) (%s))", expr, labels, k, labels, rank)
}

// topRate is the rate of a counter by labels, or with increase in its place how much it grew, of those that grew most in the time that is shown.
func (s *dashboardSet) topRate(k int, function, labels, name string, matchers ...string) string {
	counter := s.counter(name, matchers...)
	return top(k, labels, sumBy(labels, function+"("+counter+"[$__rate_interval])"), sumBy(labels, "increase("+counter+"[$__range] @ end())"))
}

// overTime is how high a selector was on the average over the time that is shown, at its end.
func overTime(selector string) string { return "avg_over_time(" + selector + "[$__range] @ end())" }
