package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// violationsOf parses what must be a bad config.
func violationsOf(t rapid.TB, text string) Violations {
	t.Helper()
	c, err := Parse("testdata/good/f.yaml", []byte(text))
	var v Violations
	if !errors.As(err, &v) || c != nil || len(v) == 0 {
		t.Fatalf("a bad config gave %v and %v:\n%s", c, err, text)
	}
	return v
}

// TestRoundTrip writes random valid configs as YAML, in flow and in block style, and
// wants them back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawConfig(t)
		text := render(t, want)
		got, err := Parse("f.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got)\n%s\n%s", diff, text)
		}
	})
}

// TestEveryViolation breaks random scalars of the config that has every key: each one
// is reported in its own line, and nothing else is.
func TestEveryViolation(t *testing.T) {
	lines := everyKey(t)
	breakable := regexp.MustCompile(`^( *)(group|client_id|isolation|start|dead_letter_topic|mechanism|session_timeout|save_interval|allowed_lateness|max_future|max_jump|max_ids|max_series|predictions|labels|task|min_samples|false_alarms|against|threshold|beta|calibrated|floor|segment|privileged|max_pending|catalog|id|time|time_unit|parse_strings): [^{]+$`)
	rapid.Check(t, func(t *rapid.T) {
		text := slices.Clone(lines)
		var broken []int
		for i, line := range text {
			if m := breakable.FindStringSubmatch(line); m != nil && rapid.Bool().Draw(t, m[2]) {
				text[i] = m[1] + m[2] + `: {no: way}`
				broken = append(broken, i+1)
			}
		}
		if len(broken) == 0 {
			return
		}
		var reported []int
		for _, v := range violationsOf(t, strings.Join(text, "\n")) {
			reported = append(reported, v.Line)
		}
		if !slices.Equal(broken, reported) {
			t.Fatalf("broke the lines %v, reported were %v:\n%s", broken, reported, strings.Join(text, "\n"))
		}
	})
}

func everyKey(t testing.TB) []string {
	t.Helper()
	t.Setenv("STREAMMON_TEST_BROKER", "kafka-2:9093")
	t.Setenv("STREAMMON_TEST_SECRET", "hunter2")
	data, err := os.ReadFile("testdata/good/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

// TestMisspelt swaps two neighbouring letters of every key in turn: the message is at
// that key and proposes the right spelling.
func TestMisspelt(t *testing.T) {
	key := regexp.MustCompile(`^(?: *- | *)([a-z_]{4,}):`)
	lines := everyKey(t)
	tested := 0
	for i, line := range lines {
		m := key.FindStringSubmatchIndex(line)
		if m == nil || strings.Contains(line, "merchant") || strings.Contains(line, "amount") {
			continue
		}
		right := line[m[2]:m[3]]
		wrong := right[:1] + right[2:3] + right[1:2] + right[3:]
		text := slices.Clone(lines)
		text[i] = strings.Replace(line, right, wrong, 1)
		if wrong == right {
			continue
		}
		tested++
		v := violationsOf(t, strings.Join(text, "\n"))
		k := slices.IndexFunc(v, func(v Violation) bool { return strings.HasPrefix(v.Message, "unknown key") })
		if k < 0 || v[k].Line != i+1 || v[k].Column != m[2]+1 || !strings.HasSuffix(v[k].Message, fmt.Sprintf("(did you mean %q?)", right)) {
			t.Errorf("%s for %s: %v", wrong, right, v)
		}
	}
	if tested < 50 {
		t.Errorf("only %d keys", tested)
	}
}

// TestDuration checks that a duration that is written is read again, and that no unit is
// out of order or there twice.
func TestDuration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(1000*day/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		if got, ok := ParseDuration(FormatDuration(d)); !ok || got != d {
			t.Fatalf("%s is written %s and read %s, %v", d, FormatDuration(d), got, ok)
		}
	})
	for text, want := range map[string]time.Duration{"1w": week, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "1s500ms": 1500 * time.Millisecond, "0s": 0, "106751d": 106751 * day} {
		if got, ok := ParseDuration(text); !ok || got != want {
			t.Errorf("%s is %s, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "5", "m", "1m1h", "1h1h", "-1h", "1 h", "1.5h", "1H", "1y", "106752d", "106751d24h", "99999999999999999999s", "1h "} {
		if got, ok := ParseDuration(text); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// TestDistance checks the distance against its definition by single edits.
func TestDistance(t *testing.T) {
	word := rapid.StringMatching(`[a-c]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance of %q and %q is %d, back %d", a, b, d, distance(b, a))
		}
		i := rapid.IntRange(0, len(a)).Draw(t, "i")
		if edited := a[:i] + "x" + a[i:]; distance(a, edited) != 1 {
			t.Fatalf("one insertion from %q to %q is %d", a, edited, distance(a, edited))
		}
	})
	for _, c := range []struct {
		a, b string
		d    int
	}{{"taks", "task", 1}, {"binry", "binary", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {strings.Repeat("x", 1000), "task", 1000}} {
		if d := distance(c.a, c.b); d != c.d {
			t.Errorf("distance of %q and %q is %d, not %d", c.a, c.b, d, c.d)
		}
	}
}

// TestSlide compares the slide with that of the windows themselves.
func TestSlide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pane := rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 10 * time.Second, time.Minute}).Draw(t, "pane")
		length := pane + time.Duration(rapid.Int64Range(0, int64(maxWindow)).Draw(t, "length"))
		if got, want := slide(length, pane), time.Duration(window.Slide(int64(length), int64(pane))); got != want {
			t.Fatalf("a window of %s slides by %s, not %s", length, got, want)
		}
	})
}

// TestStatistics compares the statistics with those that are computed.
func TestStatistics(t *testing.T) {
	for i, s := range drift.Catalogue {
		if i >= len(statistics) || statistics[i].short != s.Short || statistics[i].name != s.Name || statistics[i].numericOnly == s.Categorical {
			t.Errorf("statistic %d is not %s (%s)", i, s.Short, s.Name)
		}
	}
	if len(statistics) != len(drift.Catalogue) {
		t.Errorf("%d statistics, %d are computed", len(statistics), len(drift.Catalogue))
	}
}

// TestFiguresAndDetectors compares what can be watched, and by what, with what there is.
func TestFiguresAndDetectors(t *testing.T) {
	for i, f := range monitor.ChangeFigures {
		var types []string
		if f.OfFeature && f.Numeric {
			types = append(types, "numeric")
		}
		if f.OfFeature && f.Categorical {
			types = append(types, "categorical")
		}
		want := figure{name: f.Name, types: types, ratio: f.Kind == drift.Ratio, reference: f.NeedsReference, labels: f.OfLabels}
		if i >= len(figures) || !reflect.DeepEqual(figures[i], want) {
			t.Errorf("figure %d is not %+v", i, want)
		}
	}
	for i, k := range drift.Detectors {
		if i >= len(detectors) || detectors[i] != (detector{k.Name, !k.Real}) {
			t.Errorf("detector %d is not %s", i, k.Name)
		}
	}
	if len(figures) != len(monitor.ChangeFigures) || len(detectors) != len(drift.Detectors) {
		t.Errorf("%d figures and %d detectors, there are %d and %d", len(figures), len(detectors), len(monitor.ChangeFigures), len(drift.Detectors))
	}
}

// TestEventPath compares the paths that are accepted with those of the decoder: the same,
// but for the message itself, empty names, and $a, which is a mistake for $.a.
func TestEventPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.OneOf(
			rapid.StringMatching(`\$?(\.?[ab$]{1,2}|\[['"]([a.' "\]]|\\[a'"\\]){0,3}['"]\]){0,3}`),
			rapid.StringMatching(`[$.\[\]'"\\ a*]{0,8}`),
			rapid.Map(rapid.String(), func(s string) string { return decode.QuotePath(s) }),
		).Draw(t, "path")
		names, err := decode.ParsePath(path)
		want := err == nil && len(names) > 0 && !slices.Contains(names, "") && !regexp.MustCompile(`^\$[^.\[]`).MatchString(path)
		want = want && !strings.ContainsFunc(path, func(r rune) bool { return unicode.Is(unicode.C, r) })
		if got := eventPath.MatchString(path); got != want {
			t.Fatalf("%q: accepted is %v, the decoder says %q, %v", path, got, names, err)
		}
	})
}

// drawConfig draws a valid config with all that a file can say.
func drawConfig(t *rapid.T) *Config {
	c := defaults()
	c.Kafka.Brokers = []string{"kafka-1:9092", "[::1]:9092"}[:rapid.IntRange(1, 2).Draw(t, "brokers")]
	c.Kafka.Group = text(t, "group")
	c.Kafka.Isolation = rapid.SampledFrom([]string{"read_committed", "read_uncommitted"}).Draw(t, "isolation")
	c.Kafka.Start = rapid.SampledFrom([]Start{{Policy: "window"}, {Policy: "earliest"}, {Policy: "timestamp", Time: time.Unix(1790000000, 0).UTC()}}).Draw(t, "start")
	c.Pane = rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 30 * time.Second}).Draw(t, "pane")
	c.AllowedLateness = time.Duration(rapid.Int64Range(0, 1000).Draw(t, "lateness")) * time.Second
	c.Limits.Fields = rapid.IntRange(1, 1000).Draw(t, "fields")
	c.MaxIDs = rapid.IntRange(1, 10_000_000).Draw(t, "ids")
	c.MaxSeries = rapid.IntRange(1, 1000000).Draw(t, "series")
	for i := range rapid.IntRange(1, 3).Draw(t, "models") {
		c.Models = append(c.Models, drawModel(t, i))
	}
	return c
}

func drawModel(t *rapid.T, i int) Model {
	m := Model{
		Name: fmt.Sprint(i, text(t, "name")), Topics: Topics{Predictions: fmt.Sprint("p", i)},
		Task:    rapid.SampledFrom([]string{"binary", "multiclass", "regression", "ranking", "none"}).Draw(t, "task"),
		Labels:  Labels{Timeout: time.Hour * time.Duration(rapid.IntRange(1, 1000).Draw(t, "timeout")), MaxPending: rapid.IntRange(1, 100_000_000).Draw(t, "pending")},
		Drift:   Drift{MinSamples: rapid.IntRange(1, 1000).Draw(t, "min"), FalseAlarms: FalseAlarms{1, 30 * day}, Against: "reference"},
		Mapping: Mapping{ID: "$.id['x y']", TimeUnit: rapid.SampledFrom([]string{"auto", "ns"}).Draw(t, "unit"), Errors: Errors{MinStatus: 500, Statuses: []string{"error"}}},
	}
	m.Drift.Statistics = rapid.SampledFrom([][]string{shortNames(), {"js"}, {"ks", "psi"}}).Draw(t, "statistics")
	m.Drift.DecideBy = rapid.SampledFrom(m.Drift.Statistics).Draw(t, "decide")
	for _, name := range rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return text(t, "feature") }), 0, 5, rapid.ID).Draw(t, "features") {
		if name == "label" {
			continue
		}
		m.Features = append(m.Features, Feature{
			Name: name, Type: rapid.SampledFrom([]string{"numeric", "categorical"}).Draw(t, "type"),
			Importance: rapid.SampledFrom([]float64{1, 0.25, 7}).Draw(t, "importance"), Floor: rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "floor"),
			Path: rapid.SampledFrom([]string{"", "$.a.b", `$["c: d"]`}).Draw(t, "path"),
		})
	}
	for i := range m.Features { // a figure of some
		if rapid.Bool().Draw(t, "watched") {
			m.Changes = append(m.Changes, Change{
				Figure: rapid.SampledFrom([]string{"missing_ratio", "invalid_ratio"}).Draw(t, "figure"), Feature: m.Features[i].Name,
				Detectors: rapid.SampledFrom([][]string{defaultDetectors(), {"ddm"}, {"hddm_w", "adwin"}}).Draw(t, "detectors"),
			})
		}
	}
	for i, f := range m.Features {
		m.KPIs = append(m.KPIs, KPI{fmt.Sprint("k", i), "count(where has(features[" + strconv.Quote(f.Name) + "])) / count()"})
	}
	m.Performance, m.Alerts = drawPerformance(t, m.Task), DefaultModelAlerts()
	m.Alerts.ErrorBudget = rapid.SampledFrom([]float64{0.01, 0.5}).Draw(t, "budget")
	m.Alerts.NoEvents = time.Minute * time.Duration(rapid.IntRange(1, 44640).Draw(t, "silence"))
	m.Alerts.Severity = rapid.SampledFrom([]map[string]string{nil, {"labels_slow": None}}).Draw(t, "severity")
	if m.Task == "binary" {
		m.Positive = text(t, "positive")
	}
	m.Segments = rapid.SampledFrom([][]Segment{nil, {{Name: "country", Values: []string{"DE", "a b, c: [d]"}}, {Name: "plan", Path: "$.plan"}}}).Draw(t, "segments")
	return m
}

// drawPerformance draws what the task allows.
func drawPerformance(t *rapid.T, task string) Performance {
	p := Performance{Beta: 1, Verdict: Verdict{MinSamples: 200}}
	if task != "none" {
		p.Verdict = Verdict{rapid.SampledFrom(decidingFigures[task][:3]).Draw(t, "figure"), rapid.SampledFrom([]float64{0.01, 3}).Draw(t, "floor"), rapid.IntRange(1, 999).Draw(t, "samples")}
	}
	switch task {
	case "binary":
		p.Beta = rapid.SampledFrom([]float64{1, 0.5, 2}).Draw(t, "beta")
		if x := rapid.Float64Range(0, 1).Draw(t, "threshold"); x > 0.1 {
			p.Threshold = &x
			p.Cost = &Cost{-1, rapid.Float64Range(-1e6, 1e6).Draw(t, "cost"), 1e9, 0}
		}
	case "multiclass":
		p.Classes = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return text(t, "class") }), 2, 4, rapid.ID).Draw(t, "classes")
		p.Calibrated = rapid.Bool().Draw(t, "calibrated")
	case "regression":
		p.Levels = rapid.SampledFrom([][]float64{nil, {0.5}, {0.001, 0.25, 0.999}}).Draw(t, "levels")
	case "ranking":
		p.TopK = rapid.SampledFrom([][]int{{1}, {1, 5, 10}, {3, 1000}}).Draw(t, "top")
		p.Catalog = rapid.IntRange(0, 2).Draw(t, "catalog") * 1000
	}
	return p
}

// text draws a name, often one that YAML must quote.
func text(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z0-9_.]{0,8}`),
		rapid.SampledFrom([]string{"7", "true", "null", "~", "1e3", "- x", "a: b", "a #b", "é ü", "'", `"`, `\`, "*a", "&a", "{", "]", ",", " x ", "host:1", "@", "%", "!t", "|", "日本", "<<", "?", "---", "0x1F", "x:"}),
	).Draw(t, label)
}

// render writes a config as a user or a program might.
func render(t *rapid.T, c *Config) string {
	y := writer{t: t}
	y.line(0, "kafka: {brokers: %s, group: %s, isolation: %s, start: %s}", y.list(c.Kafka.Brokers), y.text(c.Kafka.Group), c.Kafka.Isolation, startText(c.Kafka.Start))
	y.line(0, "pane: %s", FormatDuration(c.Pane))
	y.line(0, "allowed_lateness: %s # how late", FormatDuration(c.AllowedLateness))
	y.line(0, "limits:")
	y.line(2, "fields: %d", c.Limits.Fields)
	y.line(0, "max_ids: %d", c.MaxIDs)
	y.line(0, "max_series: %d", c.MaxSeries)
	y.line(0, "models:")
	for i := range c.Models {
		y.model(&c.Models[i])
	}
	return y.String()
}

func startText(s Start) string {
	if s.Policy == "timestamp" {
		return s.Time.Format(time.RFC3339)
	}
	return s.Policy
}

type writer struct {
	strings.Builder
	t *rapid.T
}

func (y *writer) line(indent int, format string, args ...any) {
	fmt.Fprintf(y, strings.Repeat(" ", indent)+format+"\n", args...)
	if rapid.Bool().Draw(y.t, "comment") {
		y.WriteString("# comment: {\n")
	}
}

// text writes a scalar in double or single quotes, or plain where that is safe.
func (y *writer) text(s string) string {
	switch style := rapid.IntRange(0, 2).Draw(y.t, "style"); {
	case style == 0:
		return strconv.Quote(s)
	case style == 1 || !regexp.MustCompile(`^[a-z0-9_.]*[a-z_.][a-z0-9_.]*$`).MatchString(s) || s == "null":
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}

func (y *writer) list(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = y.text(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (y *writer) model(m *Model) {
	y.line(0, "- name: %s", y.text(m.Name))
	y.line(2, "topics: {predictions: %s}", m.Topics.Predictions)
	y.line(2, "task: %s", m.Task)
	y.line(2, "labels: {timeout: %s, max_pending: %d}", FormatDuration(m.Labels.Timeout), m.Labels.MaxPending)
	y.performance(m)
	y.line(2, "drift: {statistics: %s, decide_by: %s, min_samples: %d}", y.list(m.Drift.Statistics), m.Drift.DecideBy, m.Drift.MinSamples)
	y.line(2, "alerts:")
	y.line(4, "error_budget: %g", m.Alerts.ErrorBudget)
	y.line(4, "no_events: %s", FormatDuration(m.Alerts.NoEvents))
	for key, severity := range m.Alerts.Severity {
		y.line(4, "severity: {%s: %s}", key, severity)
	}
	y.line(2, "mapping: {id: %s, time_unit: %s}", y.text(m.Mapping.ID), m.Mapping.TimeUnit)
	if len(m.Features) > 0 {
		y.line(2, "features:")
	}
	for _, f := range m.Features {
		y.line(4, "%s: {type: %s, importance: %g%s%s}", y.text(f.Name), f.Type, f.Importance, y.some(", floor: %g", f.Floor), y.some(", path: %s", f.Path))
	}
	if len(m.KPIs) > 0 {
		y.line(2, "kpis:")
	}
	for _, k := range m.KPIs {
		y.line(4, "%s: %s", k.Name, y.text(k.Expression))
	}
	if len(m.Changes) > 0 {
		y.line(2, "changes:")
	}
	for _, c := range m.Changes {
		y.line(4, "- {figure: %s, feature: %s, detectors: %s}", c.Figure, y.text(c.Feature), y.list(c.Detectors))
	}
	if len(m.Segments) > 0 {
		y.line(2, "segments: [{name: country, values: %s}, {name: plan, path: $.plan}]", y.list(m.Segments[0].Values))
	}
}

func (y *writer) performance(m *Model) {
	p := &m.Performance
	if m.Task != "none" {
		y.line(2, "performance: {decide_by: %s, floor: %g, min_samples: %d}", p.Verdict.DecideBy, p.Verdict.Floor, p.Verdict.MinSamples)
	}
	switch m.Task {
	case "binary":
		y.line(2, "positive: %s", y.text(m.Positive))
		y.line(2, "beta: %g", p.Beta)
		if p.Threshold != nil {
			c := p.Cost
			y.line(2, "threshold: %g", *p.Threshold)
			y.line(2, "cost: {true_positive: %g, false_positive: %g, false_negative: %g}", c.TruePositive, c.FalsePositive, c.FalseNegative)
		}
	case "multiclass":
		y.line(2, "classes: %s", y.list(p.Classes))
		y.line(2, "calibrated: %v", p.Calibrated)
	case "regression":
		if p.Levels != nil {
			y.line(2, "levels: %s", strings.ReplaceAll(fmt.Sprint(p.Levels), " ", ", "))
		}
	case "ranking":
		y.line(2, "top_k: %s", strings.ReplaceAll(fmt.Sprint(p.TopK), " ", ", "))
		if p.Catalog > 0 {
			y.line(2, "catalog: %d", p.Catalog)
		}
	}
}

// some writes what is not zero.
func (y *writer) some(format string, x any) string {
	if reflect.ValueOf(x).IsZero() {
		return ""
	}
	if s, ok := x.(string); ok {
		x = y.text(s)
	}
	return fmt.Sprintf(format, x)
}

// TestDecidingFigures: a figure that decides is one that is counted, and compared with a reference's by its standard error.
func TestDecidingFigures(t *testing.T) {
	for task, names := range decidingFigures {
		s := eval.Spec{Threshold: math.NaN(), Beta: 2, Cost: &[2][2]float64{{0, 1}, {5, 0}}, Classes: []string{"a", "b"}, K: []int{1, 5}}
		s.Task = map[string]eval.Task{"binary": eval.Binary, "multiclass": eval.Multiclass, "regression": eval.Regression, "ranking": eval.Ranking}[task]
		if s.Task != eval.Multiclass {
			s.Classes = nil
		}
		tally := eval.NewTally(&s)
		for i := range 100 {
			x := float64(i%10)/10 + 0.05
			p := eval.Prediction{Score: x, Class: i % 2, Probabilities: []float64{x, 1 - x, 0}, Value: x, Lower: x - 1, Upper: x + 1, Items: []uint64{1, 2, uint64(i % 7)}}
			tally.Add(&p, &eval.Label{Class: i / 3 % 2, Value: x + float64(i%3), Items: []uint64{uint64(i % 5)}})
		}
		for _, name := range names {
			k := slices.IndexFunc(tally.Figures(nil), func(f eval.Figure) bool {
				return f.Name == name && (f.Label == "" || f.Label == "k" && f.At == "5") && !math.IsNaN(f.StdErr)
			})
			if k < 0 || eval.MeasureOf(name) == nil {
				t.Errorf("%s: %s cannot decide", task, name)
			}
		}
	}
}
