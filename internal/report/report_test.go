package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/monitor"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// moved is a feature that has moved; calm is one that has not.
func moved(name string) monitor.FeatureResult {
	f := calm(name)
	f.State, f.Since = monitor.StateDrift, noon.Add(-80*time.Minute).UnixNano()
	f.Drift = monitor.Drifts{{Statistic: "psi", Value: 0.34, Threshold: 0.1, PValue: 0.0001}, {Statistic: "js_distance", Value: 0.2, Threshold: monitor.Undefined, PValue: monitor.Undefined}}
	f.Moved = &monitor.Moved{Statistic: "psi", MedianShift: 1.23, Parts: []monitor.MovedPart{{Lower: 10, Upper: monitor.Undefined, MovedShares: monitor.MovedShares{Reference: 0.1, Current: 0.4}, Contribution: 0.8}}}
	return f
}

func calm(name string) monitor.FeatureResult {
	return monitor.FeatureResult{
		Name: name, Type: "numeric", Count: 990, Missing: 10, HasReference: true, OutOfRange: 9, Mean: 1.5, StdDev: 0.5, Min: 0, Max: 9, QValue: monitor.Undefined,
		Quantiles: monitor.Quantiles{{Q: "0.5", Value: 1.4}}, State: monitor.StateOK, Calibration: "independent", Needs: 200,
		Drift:        monitor.Drifts{{Statistic: "psi", Value: 0.01, Threshold: 0.1, PValue: 0.7}},
		Distribution: &monitor.Distribution{Edges: []float64{1, 2}, Reference: []uint64{30, 30, 40}, Current: []uint64{10, 20, 70}},
	}
}

func resultOf(version, segment string, end time.Time, features ...monitor.FeatureResult) *monitor.Result {
	r := &monitor.Result{
		Model: "fraud", Version: version, Segment: segment, Window: "1h", Length: int64(time.Hour), Start: end.Add(-time.Hour), End: end, Complete: true, Events: 1000,
		Service: monitor.Service{RequestsPerSecond: 2, ErrorRatio: 0.01}, Features: features, DriftedImportance: monitor.Undefined,
	}
	for _, f := range features {
		r.Judged++
		if f.State == monitor.StateDrift {
			r.Drifted++
		}
	}
	return r
}

// sample is a model whose amount drifted in one of two segments, and whose answers are worse.
func sample() *monitor.Snapshot {
	r := resultOf("7", "", noon, moved("amount"), calm("age"))
	r.KPIs = []kpi.Figure{{Name: "loss", Value: 12.5}}
	r.Performance = &monitor.PerformanceResult{
		Labelled: true, End: noon, Matched: 900, MatchedRatio: 0.9, State: eval.Worse, DecidedBy: "roc_auc", Threshold: 0.8, PValue: 0.001, Delay: monitor.Quantiles{{Q: "0.5", Value: 60}},
		Figures:   []eval.Figure{{Name: "accuracy", Value: 0.9, StdErr: 0.01, Low: 0.9, High: 0.9}, {Name: "roc_auc", Value: 0.7, StdErr: 0.02, Low: 0.7, High: 0.7}},
		Reference: []eval.Figure{{Name: "roc_auc", Value: 0.85}}, Estimated: []eval.Figure{{Name: "estimated_accuracy", Value: 0.93}, {Name: "estimated_f1", Value: 0.4}},
		Worst:  &monitor.WorstSegment{Segment: "country=DE", Figure: "roc_auc", Value: 0.61, Matched: 300},
		Curves: &eval.Curves{ROC: []eval.Point{{X: 0, Y: 0}, {X: 0.2, Y: 0.7}, {X: 1, Y: 1}}, Calibration: []eval.Reliability{{N: 10, Mean: 0.1, Share: 0.2}}},
	}
	r.Changes = []monitor.ChangeResult{{Figure: "error_ratio", Detectors: monitor.DetectorResults{{Detector: "adwin", State: monitor.StateChange, Found: noon.UnixNano(), Since: noon.Add(-time.Minute).UnixNano()}}}}
	s := &monitor.Snapshot{
		Results: []*monitor.Result{r, resultOf("7", "country=DE", noon, moved("amount")), resultOf("7", "country=FR", noon, calm("amount"))},
		Models: []monitor.ModelStatus{{
			Model: "fraud", Task: eval.Binary, References: []monitor.ReferenceStatus{{Fingerprint: "00ff"}}, Labels: &monitor.LabelStatus{Matched: 900},
			Provenance: []monitor.ReferenceProvenance{{Rows: 5000, Inputs: []string{"train.csv"}, First: "2026-01-01T00:00:00Z", Last: "2026-02-01T00:00:00Z", Builder: "v1"}},
		}, {Model: "idle"}},
		Ledger: event.Ledger{Consumed: 1000, Accepted: 1000}, ConfigText: "kafka:\n  brokers: [b:9092]\n",
	}
	return s
}

// texts returns the report's three forms.
func texts(t *testing.T, r *Report) (html, json, md string) {
	t.Helper()
	var out [3]bytes.Buffer
	for i, err := range []error{r.WriteHTML(&out[0]), r.WriteJSON(&out[1]), r.WriteMarkdown(&out[2])} {
		if err != nil {
			t.Fatalf("form %d: %v", i, err)
		}
	}
	return out[0].String(), out[1].String(), out[2].String()
}

// TestSentences reads the summary.
func TestSentences(t *testing.T) {
	r := New(sample(), Options{Source: "a test"})
	var got []string
	for _, s := range r.Summary {
		got = append(got, s.State+": "+s.Text)
	}
	want := []string{
		"worse: answers of fraud version 7 are worse: ROC AUC 0.7, the reference has 0.85 (limit 0.8), worst in country DE (0.61) (window 1h)",
		"drift: amount of fraud version 7 drifted since 2026-11-22 10:40 UTC: median +1.2 σ, PSI 0.34 over 0.1, in country DE only (window 1h)",
		"change: error ratio of fraud version 7 changed at 2026-11-22 11:59 UTC (adwin, found at 2026-11-22 12:00 UTC)",
		"undefined: idle has no events in any window",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("summary:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	quiet := sample()
	quiet.Results = []*monitor.Result{resultOf("7", "", noon, calm("amount"))}
	if s := New(quiet, Options{Models: []string{"fraud"}}).Summary; len(s) != 1 || s[0].Text != "Nothing of fraud needs attention" || s[0].State != "ok" {
		t.Errorf("quiet: %+v", s)
	}
}

// TestForms: each form tells what the other ones do.
func TestForms(t *testing.T) {
	html, json, md := texts(t, New(sample(), Options{Source: "a test"}))
	for form, c := range map[string]struct {
		text string
		has  []string
	}{
		"html": {html, []string{"PSI 0.34 over 0.1", "<svg", "train.csv", "5\u202f000 rows", "kafka:\n  brokers", `&#34;consumed&#34;:1000`, "ROC AUC", "0.661 – 0.739", "loss", "country DE", "idle", "prefers-color-scheme"}},
		"json": {json, []string{`"streammon_report":1`, `"results":[{"model":"fraud"`, `"psi"`, `"inputs":["train.csv"]`, `"ledger":{"ledger":{"consumed":1000`, `"bins":["≤ 1","1 – 2","\u003e 2"],"reference":[0.3,0.3,0.4],"current":[0.1,0.2,0.7]`}},
		"md":   {md, []string{"- **drift** amount of fraud", "| amount | **drift** | 990 | 1 % | 1.4 | PSI 0.34 (limit 0.1) | median +1.2 σ, PSI 0.34 over 0.1 |", "| ROC AUC | 0.7 | 0.661 – 0.739 | 0.85 | – |", "| F1 | – | – | – | 0.4 |", "train.csv", `"consumed":1000`}},
	} {
		for _, want := range c.has {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s has no %q", form, want)
			}
		}
		if strings.Contains(c.text, "NaN") || strings.Contains(c.text, "%!") {
			t.Errorf("%s shows what is undefined:\n%s", form, c.text)
		}
	}
}

// TestReportOfItsJSON: what is read back gives the same bytes in all forms; so does the same input again.
func TestReportOfItsJSON(t *testing.T) {
	html, json, md := texts(t, New(sample(), Options{Source: "a test"}))
	r, err := Read([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []*Report{r, New(sample(), Options{Source: "a test"})} {
		html2, json2, md2 := texts(t, again)
		if html2 != html || json2 != json || md2 != md {
			t.Error("other bytes")
		}
	}
	for _, wrong := range []string{"", "{}", `{"streammon_report":2}`, "[]"} {
		if _, err := Read([]byte(wrong)); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

// naughty names are written by the others' events and configs.
var naughty = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'onmouseover=alert(1)'`, `</style><script>alert(1)</script>`, `</pre><h1>`, "`); alert(1); //", `[x](javascript:alert(1))`, `![x](http://evil.example/a.png)`,
	"a|b\nc", "http://evil.example", "@everyone #1", "\x1b[31mred", "\u202egnp.exe", "{{.Config}}", "javascript:alert(1)", "<!--", "]]>", "\\", "&lt;script&gt;", "=cmd()", "",
}

// TestNaughtyNames: whatever features, categories, versions, segments and models are called, it is text, and nothing else is loaded.
func TestNaughtyNames(t *testing.T) {
	s := sample()
	r := s.Results[0]
	for i, name := range naughty {
		f := moved(name)
		f.Distribution = &monitor.Distribution{Categories: naughty[:3], Reference: []uint64{1, 2, 3, 4, 5}, Current: []uint64{1, 2, 3, 4, 5}}
		f.Moved.Parts = []monitor.MovedPart{{Lower: monitor.Undefined, Upper: monitor.Undefined, Category: name, Named: true, Contribution: 1}}
		f.Moved.MedianShift = monitor.Undefined
		r.Features = append(r.Features, f)
		o := resultOf(name, "country="+name, noon, f)
		o.Model = name
		s.Results = append(s.Results, o)
		s.Models = append(s.Models, monitor.ModelStatus{Model: name, Provenance: []monitor.ReferenceProvenance{{Inputs: []string{name}, Builder: name}}, References: []monitor.ReferenceStatus{{}}})
		r.KPIs = append(r.KPIs, kpi.Figure{Name: name, Value: float64(i)})
		s.ConfigText += name + "\n"
	}
	html, json, md := texts(t, New(s, Options{Source: naughty[0]}))
	for _, tag := range regexp.MustCompile(`(?i)<\s*(script|img|iframe|link|object|embed|a|h1 )[\s>/]`).FindAllString(html, -1) {
		if tag != "<h1>" {
			t.Errorf("the page has %q", tag)
		}
	}
	if strings.Count(html, "<h1>") != 1 || strings.Count(html, "<style>") != 1 || strings.Count(html, "<!--") != 0 {
		t.Error("a name is part of the page's frame")
	}
	for _, attribute := range regexp.MustCompile(`(?i)\s(src|href|on[a-z]+|style|xlink:href)\s*=`).FindAllString(tagsOf(html), -1) {
		t.Errorf("a tag has the attribute %q", attribute)
	}
	if regexp.MustCompile(`url\(|@import`).MatchString(html) {
		t.Error("the style loads something")
	}
	for form, text := range map[string]string{"html": html, "json": json, "md": md} {
		if strings.Contains(text, "\x1b") || form != "json" && strings.Contains(text, "\u202e") {
			t.Errorf("%s has control characters", form)
		}
	}
	if strings.Contains(md, "<script") || strings.Contains(md, "<img") || regexp.MustCompile(`[^\\]\]\(|://|@everyone`).MatchString(md) {
		t.Error("a name is markup, a link or a mention in Markdown")
	}
	if _, err := Read([]byte(json)); err != nil {
		t.Error(err)
	}
}

// tagsOf returns what is between < and >, without the values of attributes.
func tagsOf(html string) string {
	values := regexp.MustCompile(`"[^"]*"`)
	return values.ReplaceAllString(strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(html, -1), "\n"), `""`)
}

// TestLargeReport: 50 features with full histories, three versions and 20 segments are less than 2 MB.
func TestLargeReport(t *testing.T) {
	s := sample()
	s.Results, s.Models = nil, s.Models[:1]
	recorder := monitor.NewRecorder(false)
	slide := int64(time.Minute)
	for i := range 600 {
		var results []*monitor.Result
		for v := range 3 {
			var features []monitor.FeatureResult
			for n := range 50 {
				f := moved(fmt.Sprintf("feature_number_%d", n))
				f.Mean += monitor.Figure(i) / 7
				f.Drift[0].Value += monitor.Figure(i*n%97) / 100
				for len(f.Distribution.Edges) < 9 {
					f.Distribution.Edges = append(f.Distribution.Edges, float64(i+len(f.Distribution.Edges))*1234.567)
					f.Distribution.Reference = append(f.Distribution.Reference, uint64(100+n))
					f.Distribution.Current = append(f.Distribution.Current, uint64(90+n))
				}
				features = append(features, f)
			}
			results = append(results, resultOf(fmt.Sprint(v), "", noon.Add(time.Duration(i)*time.Minute), features...))
		}
		recorder.Add(results, slide)
		if i == 599 {
			s.Results = results
			for v := range 3 {
				for segment := range 20 {
					s.Results = append(s.Results, resultOf(fmt.Sprint(v), fmt.Sprint("country=", segment), results[v].End, results[v].Features...))
				}
			}
		}
	}
	s.History = recorder.History()
	html, json, md := texts(t, New(s, Options{Source: "a test"}))
	t.Logf("%d bytes of HTML, %d of JSON, %d of Markdown", len(html), len(json), len(md))
	if len(html) > 2_000_000 {
		t.Errorf("the page has %d bytes", len(html))
	}
	if n := strings.Count(html, `class="chart plot"`); n < 150 {
		t.Errorf("%d histories are drawn", n)
	}
	if strings.Count(html, "feature_number_49") < 4 {
		t.Error("the last feature is not told of")
	}
}

// TestEpisodes: times in which something had moved are one each, whatever is between, and what is over is told.
func TestEpisodes(t *testing.T) {
	c := NewCollector(func(int64) int64 { return int64(time.Minute) })
	add := func(minute int, state string) {
		f := calm("amount")
		if state == monitor.StateDrift {
			f = moved("amount")
			f.Since, f.Drift[0].Value = 0, monitor.Figure(minute)
		}
		c.Add(resultOf("7", "", noon.Add(time.Duration(minute)*time.Minute), f))
		c.Add(resultOf("7", "country=DE", noon.Add(time.Duration(minute)*time.Minute), f))
	}
	for minute := range 30 {
		state := monitor.StateOK
		if minute >= 5 && minute < 10 || minute >= 20 && minute < 22 {
			state = monitor.StateDrift
		}
		add(minute, state)
	}
	add(90, monitor.StateDrift) // after a time without events
	add(91, monitor.StateOK)
	s := &monitor.Snapshot{Models: []monitor.ModelStatus{{Model: "fraud"}}}
	r := New(s, c.Fill(s, Options{}))
	var got []string
	for _, e := range r.Models[0].Episodes {
		got = append(got, fmt.Sprintf("%s %d-%d %v %s", e.Feature, int(e.From.Sub(noon).Minutes()), int(e.Until.Sub(noon).Minutes()), e.Open, e.Text[len(e.Text)-15:]))
	}
	want := []string{"amount 90-90 false PSI 90 over 0.1", "amount 20-21 false PSI 21 over 0.1", "amount 5-9 false  PSI 9 over 0.1"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("episodes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(r.Results) != 2 || r.End != noon.Add(91*time.Minute) || s.History.Find("fraud", "7", "", "1h", false).Len() != 32 {
		t.Errorf("%d results until %s, %d points", len(r.Results), r.End, s.History.Find("fraud", "7", "", "1h", false).Len())
	}
	var over []string
	for _, x := range r.Summary {
		if x.State == "over" {
			over = append(over, x.Text)
		}
	}
	if len(over) != 1 || !strings.HasPrefix(over[0], "amount of fraud version 7 had drifted from 2026-11-22 13:30 UTC to 2026-11-22 13:30 UTC") {
		t.Errorf("over: %q", over)
	}
	// Of a live monitor they are those of the history.
	live := New(&monitor.Snapshot{Models: s.Models, Results: s.Results, History: s.History}, Options{})
	if len(live.Models[0].Episodes) != 3 || live.Models[0].Episodes[2].From != noon.Add(5*time.Minute) {
		t.Errorf("of the history: %+v", live.Models[0].Episodes)
	}
}

// TestValueText: below its threshold a warning is not drift yet, and drift is held.
func TestValueText(t *testing.T) {
	for _, c := range []struct {
		state            string
		value, threshold monitor.Figure
		want             string
	}{
		{monitor.StateDrift, 0.3, 0.1, "PSI 0.3 over 0.1"},
		{monitor.StateDrift, 0.06, 0.1, "PSI 0.06 below 0.1 again, the state is held"},
		{monitor.StateWarning, 0.06, 0.1, "PSI 0.06, drift from 0.1 on"},
		{monitor.StateWarning, 0.3, 0.1, "PSI 0.3 over 0.1"}, // not calibrated
		{monitor.StateDrift, 0.3, monitor.Undefined, "PSI 0.3"},
		{monitor.StateDrift, monitor.Undefined, 0.1, ""},
	} {
		f := moved("x")
		f.State, f.Drift = c.state, monitor.Drifts{{Statistic: "psi", Value: c.value, Threshold: c.threshold}}
		if got := ValueText(c.state, &f.Drift[0]); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		if got := movedText(&f); !strings.HasSuffix(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestDeciding: missing values decide where they are further on their way to the threshold, also of a warning and of a state that is held.
func TestDeciding(t *testing.T) {
	for _, c := range []struct {
		state        string
		psi, missing monitor.Figure // thresholds are 0.1
		want         string
	}{
		{monitor.StateDrift, 0.3, 0.2, "psi"},
		{monitor.StateDrift, 0.01, 0.2, MissingStatistic},
		{monitor.StateDrift, 0.01, 0.06, MissingStatistic}, // held
		{monitor.StateWarning, 0.001, 0.06, MissingStatistic},
		{monitor.StateWarning, 0.06, 0.001, "psi"},
		{monitor.StateOK, 0.001, 0.002, "psi"},
		{"", 0.001, 0.002, "psi"},
	} {
		f := moved("x")
		f.State, f.Drift = c.state, monitor.Drifts{{Statistic: "psi", Value: c.psi, Threshold: 0.1}, {Statistic: MissingStatistic, Value: c.missing, Threshold: 0.1}}
		if f.Moved.Statistic != "psi" {
			t.Fatal(f.Moved.Statistic)
		}
		if by := Deciding(&f, func(*monitor.Drift) bool { return true }); by.Statistic != c.want {
			t.Errorf("%+v: %s", c, by.Statistic)
		}
	}
}
