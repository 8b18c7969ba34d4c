package web

import (
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/monitor"
)

// names are what a picture calls its things.
type names struct{ model, version, segment, numeric, categorical, category, topic string }

var usual = names{"fraud", "7", "country=DE", "amount", "merchant", "m-new", "fraud.predictions"}

// undefined is a feature result of which nothing is known.
func undefined(name, kind string) monitor.FeatureResult {
	u := monitor.Undefined
	return monitor.FeatureResult{Name: name, Type: kind, Mean: u, StdDev: u, Min: u, Max: u, QValue: u}
}

// moved returns a numeric and a categorical feature that have drifted.
func moved(n names) []monitor.FeatureResult {
	amount, merchant := undefined(n.numeric, "numeric"), undefined(n.categorical, "categorical")
	amount.Count, amount.Missing, amount.HasReference, amount.Mean, amount.DistinctKnown, amount.Distinct = 990, 10, true, 208, true, 900
	amount.State, amount.Since, amount.Needs = monitor.StateDrift, noon.Add(-80*time.Minute).UnixNano(), 200
	amount.Drift = monitor.Drifts{{Statistic: "psi", Value: 0.34, Threshold: 0.1, PValue: 1e-9}, {Statistic: "js_distance", Value: 0.2, Threshold: 0.12, PValue: 1e-8}}
	amount.Quantiles = monitor.Quantiles{{Q: "0.05", Value: 9}, {Q: "0.25", Value: 60}, {Q: "0.5", Value: 129}, {Q: "0.75", Value: 250}, {Q: "0.95", Value: 700}}
	amount.Moved = &monitor.Moved{Statistic: "psi", MedianShift: 1.2, Absent: monitor.MovedShares{Reference: 0.01, Current: 0.01}, Parts: []monitor.MovedPart{
		{Lower: 105, Upper: monitor.Undefined, MovedShares: monitor.MovedShares{Reference: 0.1, Current: 0.58}, Contribution: 0.8},
	}}
	amount.Distribution = &monitor.Distribution{Edges: []float64{10, 105}, Reference: []uint64{100, 800, 100}, Current: []uint64{50, 366, 574},
		Band: monitor.Quantiles{{Q: "0.05", Value: 8}, {Q: "0.25", Value: 18}, {Q: "0.5", Value: 33}, {Q: "0.75", Value: 60}, {Q: "0.95", Value: 150}}}
	merchant.Count, merchant.HasReference, merchant.State, merchant.Unseen, merchant.Needs = 1000, true, monitor.StateWarning, 300, 200
	merchant.Drift = monitor.Drifts{{Statistic: "psi", Value: 0.11, Threshold: 0.1, PValue: monitor.Undefined}}
	merchant.Moved = &monitor.Moved{Statistic: "psi", MedianShift: monitor.Undefined, Parts: []monitor.MovedPart{
		{Lower: monitor.Undefined, Upper: monitor.Undefined, Unseen: true, MovedShares: monitor.MovedShares{Current: 0.3}, Contribution: 0.9},
		{Lower: monitor.Undefined, Upper: monitor.Undefined, Category: n.category, Named: true, MovedShares: monitor.MovedShares{Reference: 0.2, Current: 0.1}, Contribution: 0.1},
	}, Categories: &monitor.MovedCategories{Top: []monitor.NewCategory{{Category: n.category, Count: 300}}, Gone: []monitor.VanishedCategory{{Category: n.category, Reference: 0.02}}}}
	merchant.Distribution = &monitor.Distribution{Categories: []string{n.category}, Reference: []uint64{100, 5, 0}, Current: []uint64{50, 5, 30}}
	waits := undefined("waits", "numeric")
	waits.Count, waits.Needs = 37, 200
	return []monitor.FeatureResult{amount, merchant, waits}
}

// full is a snapshot with something of everything that pages show.
func full(n names) *monitor.Snapshot {
	all, one, two := result(n.model, n.version, "5m"), result(n.model, n.version, "5m"), result(n.model, n.version, "5m")
	all.Events, all.Complete, all.Features, all.Drifted, all.Judged, all.Length = 1000, true, moved(n), 1, 2, 300e9
	all.Service.ErrorRatio, all.Service.Latency = 0.058, monitor.Quantiles{{Q: "0.5", Value: 0.008}, {Q: "0.95", Value: 0.031}}
	all.KPIs = []kpi.Figure{{Name: n.numeric, Value: 12}}
	all.Changes = []monitor.ChangeResult{
		{Figure: "error_ratio", Detectors: monitor.DetectorResults{{Detector: "page_hinkley", State: monitor.StateChange, Found: noon.UnixNano(), Since: noon.UnixNano() - 60e9}}},
		{Figure: "mean", Feature: n.numeric, Detectors: monitor.DetectorResults{{Detector: "adwin", State: monitor.StateChange, Found: noon.UnixNano()}}},
		{Figure: "misprediction_ratio", Detectors: monitor.DetectorResults{{Detector: "adwin", State: monitor.StateOK}}},
	}
	nan := math.NaN()
	all.Performance = &monitor.PerformanceResult{
		Labelled: true, End: noon, State: eval.Worse, DecidedBy: "roc_auc", Matched: 800, Expired: 20, MatchedRatio: 0.97, Threshold: 0.73, PValue: 1e-9, Needs: 200,
		Delay: monitor.Quantiles{{Q: "0.5", Value: 90}, {Q: "0.9", Value: 600}},
		Figures: []eval.Figure{{Name: "true_negatives", Value: 700, StdErr: nan}, {Name: "false_positives", Value: 20, StdErr: nan}, {Name: "false_negatives", Value: 60, StdErr: nan}, {Name: "true_positives", Value: 20, StdErr: nan},
			{Name: "accuracy", Value: 0.9, StdErr: 0.01, Low: 0.9, High: 0.9}, {Name: "accuracy", Label: "decision", At: "threshold", Value: 0.5, StdErr: nan}, {Name: "mcc", Value: 0.25, StdErr: nan}, {Name: "roc_auc", Value: 0.44, StdErr: 0.02, Low: 0.43, High: 0.46}},
		Estimated: []eval.Figure{{Name: "estimated_accuracy", Value: 0.875, StdErr: nan}},
		Reference: []eval.Figure{{Name: "accuracy", Value: 0.92, StdErr: nan}, {Name: "roc_auc", Value: 0.77, StdErr: nan}},
		Worst:     &monitor.WorstSegment{Segment: n.segment, Figure: "roc_auc", Value: 0.41, Matched: 200},
		Curves: &eval.Curves{ROC: []eval.Point{{X: 0, Y: 0}, {X: 0.5, Y: 0.4}, {X: 1, Y: 1}}, PR: []eval.Point{{X: 0.5, Y: 0.1}, {X: 1, Y: 0.1}},
			Calibration: []eval.Reliability{{N: 700, Mean: 0.05, Share: 0.1}, {N: 100, Mean: 0.5, Share: 0.1}}},
		Fairness: &monitor.FairnessResult{Segment: n.segment, Groups: []eval.Group{{Name: n.category, TP: 1}}, Figures: []eval.Disparity{{Name: "demographic_parity_ratio", Value: 0.7, Low: 0.6, High: 0.8, Count: 90, Adverse: true}, {Name: "group_accuracy", Group: n.category, Value: 0.9, Low: 0.8, High: 0.95, Count: 90}, {Name: "group_precision", Group: "other", Value: 0.5, Low: 0.25, High: 0.75, Count: 8}}},
	}
	one.Segment, one.Features, one.Length = n.segment, moved(n), 300e9
	two.Segment, two.Features, two.Length = "country=FR", moved(n), 300e9
	two.Performance = &monitor.PerformanceResult{Labelled: true, End: noon, Matched: 90, Figures: []eval.Figure{{Name: "roc_auc", Value: 0.46, StdErr: nan}}}
	for i := range two.Features {
		two.Features[i].State, two.Features[i].Moved = monitor.StateOK, nil
	}
	hour := result(n.model, n.version, "1h")
	hour.Length = 3600e9
	waiting := undefined(n.numeric, "numeric")
	waiting.Count, waiting.Needs = 37, 200
	hour.Features = []monitor.FeatureResult{waiting}
	s := picture()
	s.Results = []*monitor.Result{all, hour, one, two}
	s.Models = append([]monitor.ModelStatus{{Model: n.model, Accepted: 20, LastEvent: noon.UnixNano(), Topics: []string{n.topic}, References: []monitor.ReferenceStatus{{Version: n.version, Fingerprint: "00ff"}}, Labels: &monitor.LabelStatus{Matched: 11, Pending: 9}}}, s.Models[1:]...)
	s.Partitions[0].Topic, s.Partitions[0].Lag, s.Partitions[0].DeadLetters = n.topic, 3, 1234
	s.Config = &monitor.ConfigStatus{Loaded: noon}
	s.ConfigText, s.Series, s.Memory = "models:\n  - name: "+n.model+"\n", &monitor.SeriesStatus{Series: 812, Limit: 10000, Dropped: 5}, monitor.MemoryStatus{Budget: 3 << 30, Limit: 2 << 30, InUse: 512 << 20}
	return s
}

// at returns a handler of a snapshot whose clock stands a moment after noon.
func at(s *monitor.Snapshot, after time.Duration) http.Handler {
	board := &monitor.Board{}
	board.Publish(s)
	h := &handler{board: board, now: func() time.Time { return noon.Add(after) }}
	return h.routes(http.NotFoundHandler())
}

// text is what a page says, without tags.
func text(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	w := ask(h, "GET", path)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(w.Body.String(), " "))), " ")
}

// TestAttention: what needs attention is said in one sentence each: since when, what, how far, where; the worst first.
func TestAttention(t *testing.T) {
	got := text(t, at(full(usual), 5*time.Second), "/")
	last := 0
	for _, want := range []string{
		"worse Answers of fraud 7 are worse: ROC AUC 0.44, the reference has 0.77 (limit 0.73), worst in country = DE (0.41) (window 5m)",
		"drift amount of fraud 7 drifted since 10:40: median +1.2 σ, PSI 0.34 over 0.1, in country = DE only (window 5m)",
		"changed error ratio of fraud 7 changed at 11:59 (Page-Hinkley, found at 12:00)",
		"changed mean of amount of fraud 7 changed at 12:00 (ADWIN, found at 12:00)",
		"warning merchant of fraud 7 may have drifted (warning): categories that the reference does not have make 30 % (m-new), PSI 0.11 over 0.1, in country = DE only (window 5m)",
		"Models fraud",
		"service changed 2 requests/s, 5.8 % errors, p95 31 ms",
		"data warning at most 1 % missing or invalid (amount)",
		"drift drift 1 of 2 features drifted",
		"performance worse ROC AUC 0.44, the reference has 0.77 (limit 0.73)",
		"last event 5 s ago · 3 messages behind",
		"idle no events in any window The reference is being learned until 13:00, from 7 events so far.",
	} {
		i := strings.Index(got[last:], want)
		if i < 0 {
			t.Fatalf("the page has no %q after %q:\n%s", want, got[:last], got[last:])
		}
		last += i
	}
}

// TestQuietAttention: nothing is said of what is well, and while messages are behind nothing is called well.
func TestQuietAttention(t *testing.T) {
	s := full(usual)
	s.Results, s.Models = []*monitor.Result{result("fraud", "7", "5m")}, s.Models[:1]
	if got := text(t, at(s, time.Second), "/"); !strings.Contains(got, "Needs attention Nothing: no verdict but “ok”") {
		t.Error(got)
	}
	s.NotReady = "catching up"
	if got := text(t, at(s, time.Second), "/"); !strings.Contains(got, "Not ready: catching up") || !strings.Contains(got, "Nothing so far") {
		t.Error(got)
	}
	s = &monitor.Snapshot{At: noon.UnixNano(), Models: []monitor.ModelStatus{{Model: "fraud"}}, Exporting: true}
	if got := text(t, at(s, time.Second), "/"); !strings.Contains(got, "Waiting for the first message.") || !strings.Contains(got, "Nothing is known yet.") || !strings.Contains(got, "no event yet") {
		t.Error(got)
	}
}

// TestStates: what is not there, old, or not enough is said, not left blank.
func TestStates(t *testing.T) {
	s := full(usual)
	for _, c := range []struct{ name, path, want string }{
		{"few events", "/model?name=fraud&window=1h", "waits"},
		{"few events", "/feature?name=fraud&feature=amount&window=1h", "No verdict: needs 200 events, has 37."},
		{"no events", "/model?name=idle", "No events yet: the first windows appear when messages come."},
		{"no labels", "/model?name=fraud&tab=performance&segment=country%3DDE", "No labels come for this model"},
		{"no history", "/model?name=fraud&tab=service", "No history yet"},
		{"no history", "/model?name=fraud", "No history yet"},
		{"no history", "/model?name=fraud&tab=performance", "No history yet"},
		{"no history", "/feature?name=fraud&feature=amount", "No history yet"},
		{"no state", "/status", "No state is kept"},
	} {
		if c.want == "waits" {
			c.want = "needs 200 events, has 37"
		}
		if got := text(t, at(s, time.Second), c.path); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s has no %q:\n%s", c.name, c.path, c.want, got)
		}
	}
	if page := ask(at(s, time.Second), "GET", "/model?name=idle").Body.String(); strings.Contains(page, "<select") {
		t.Error("there is nothing to choose, but a form: " + page)
	}
	if got := text(t, at(s, 12*time.Minute), "/"); !strings.Contains(got, "fraud has had no events since 12:00 (12 min)") || !strings.Contains(got, "The monitor has published nothing for 12 min") || !strings.Contains(got, "the newest window ended 12 min ago") {
		t.Error(got)
	}
}

// TestSelection: the address selects, what is not there is not found, and the version with the most events is the default.
func TestSelection(t *testing.T) {
	s := full(usual)
	other := result("fraud", "8", "5m")
	other.Events, other.Length, other.Features = 50, 300e9, moved(usual)
	s.Results = append(s.Results, other)
	for path, code := range map[string]int{
		"/model?name=fraud": 200, "/model?name=fraud&version=8": 200, "/model?name=fraud&version=9": 404, "/model?name=nobody": 404, "/model": 404,
		"/model?name=fraud&window=2h": 404, "/model?name=fraud&segment=x": 404, "/model?name=fraud&tab=else": 404, "/feature?name=fraud&feature=nothing": 404,
		"/feature?name=fraud&feature=amount&segment=country%3DDE": 200, "/status": 200, "/model?name=fraud&sort=since": 200, "/assets/style.css": 200, "/assets/refresh.js": 200,
		"/assets/": 404, "/assets/..%2fpages.go": 404, "/pages/frame.html": 404, "/model?name=..%2f..%2fetc%2fpasswd": 404,
	} {
		w := ask(at(s, time.Second), "GET", path)
		if w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
	if got := ask(at(s, time.Second), "GET", "/model?name=fraud").Body.String(); !strings.Contains(got, `<option value="7" selected>7</option>`) {
		t.Error(got)
	}
	for sort, want := range map[string]string{"": `<th scope="col" aria-sort="descending"><a href="/model?name=fraud&amp;tab=drift&amp;version=7&amp;window=5m">State`, "name": `aria-sort="ascending"><a href="/model?name=fraud&amp;sort=name`, "since": `aria-sort="descending"><a href="/model?name=fraud&amp;sort=since`} {
		if page := ask(at(s, time.Second), "GET", "/model?name=fraud&sort="+sort).Body.String(); !strings.Contains(page, want) || strings.Count(page, "aria-sort") != 1 {
			t.Errorf("sorted by %q there is no %s", sort, want)
		}
	}
	if got := text(t, at(s, time.Second), "/model?name=fraud&sort=name"); strings.Index(got, "amount drift") > strings.Index(got, "merchant warning") {
		t.Error("not in order of the names: " + got)
	}
}

// TestForms: what a form sends leads to the address of the page, whatever the names.
func TestForms(t *testing.T) {
	n := usual
	n.version, n.segment = "a\x00&\u202e", "country=x\r\ny%41"
	h := at(full(n), time.Second)
	page := ask(h, "GET", "/model?name=fraud&tab=data").Body.String()
	form := regexp.MustCompile(`name="of" value="([^"]*)"`).FindStringSubmatch(page)
	options := regexp.MustCompile(`<option value="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if form == nil || len(options) != 1+3+2 {
		t.Fatal(page)
	}
	q := url.Values{"of": {html.UnescapeString(form[1])}, "v": {html.UnescapeString(options[0][1])}, "s": {html.UnescapeString(options[2][1])}, "w": {"5m"}}
	w := ask(h, "GET", "/model?"+q.Encode())
	to := w.Header().Get("Location")
	if want := "/model?" + (url.Values{"name": {"fraud"}, "tab": {"data"}, "version": {n.version}, "segment": {n.segment}, "window": {"5m"}}).Encode(); w.Code != 303 || to != want {
		t.Fatalf("%d %q, want %q", w.Code, to, want)
	}
	if w := ask(h, "GET", to); w.Code != 200 || !strings.Contains(w.Body.String(), " selected>country = x\ufffd\ufffdy%41") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = ask(h, "GET", "/model?of=%2F%2Fexample.org")
	if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/model?") {
		t.Errorf("leads to %s", to)
	}
}

// TestPagesShow: each page has what it promises.
func TestPagesShow(t *testing.T) {
	h := at(full(usual), time.Second)
	for path, wants := range map[string][]string{
		"/model?name=fraud&tab=service":        {"errors 5.8 %", "latency p95 31 ms", "country = DE"},
		"/model?name=fraud&tab=data":           {"amount numeric 990 1 %", "merchant warning categorical 1"},
		"/model?name=fraud&tab=drift":          {"amount drift 10:40 median +1.2 σ PSI 0.34 0.1 in country = DE only", "waits no verdict needs 200 events, has 37"},
		"/model?name=fraud&tab=performance":    {"ROC AUC (decides) 0.44 0.391 to 0.499 0.77 −0.33", "Segment Labels accuracy ROC AUC all traffic 800 0.9 (0.88 to 0.92) 0.44 (0.391 to 0.499) country = FR 90 – 0.46", "accuracy 0.9 0.88 to 0.92 0.92 −0.02 0.875", "negative 700 97 % 20 2.8 %", "label delay p50 1 min", "predictions that wait 9", "Group accuracy precision m-new 0.9 0.8 to 0.95, of 90 other 0.5 0.25 to 0.75, of 8", "demographic parity ratio 0.7 0.6 to 0.8 90 below 0.8", "Calibration", "ROC curve", "Business figures Figure Value Over time amount 12"},
		"/feature?name=fraud&feature=amount":   {"drift amount of fraud 7 drifted since 10:40", "above 105 10 % 58 % 80 %", "PSI (decides) 0.34 0.1 1e-09 over", "10 % → 58 %", "The stroke is the median: 33 in the reference, 129 now.", "7, country = DE drift"},
		"/feature?name=fraud&feature=merchant": {"unseen categories 0 % 30 % 90 %", "New: m-new (300).", "Vanished: m-new (2 % of the reference).", "not in the reference"},
		"/status":                              {"rejected 3", "balanced Every message", "syntax 3", "fraud.predictions 0 25 3 2026-03-01 12:00:00 1 s ago", "1\u202f234", "exported 812 budget 10\u202f000 dropped 5", "in use 512 MiB budget 3.0 GiB", "version 7: 00ff", "being learned", "name: fraud"},
	} {
		got := text(t, h, path)
		for _, want := range wants {
			want = strings.Join(strings.Fields(want), " ")
			if !strings.Contains(got, want) {
				t.Errorf("%s has no %q:\n%s", path, want, got)
			}
		}
		if strings.Contains(got, "NaN") || strings.Contains(got, "%!") {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestResetsInOrder: the status page has reasons in the order of their names each time.
func TestResetsInOrder(t *testing.T) {
	s := full(usual)
	s.State = &monitor.StateStatus{Resets: map[string]uint64{"e": 5, "d": 4, "c": 3, "none": 0, "b": 2, "a": 1}}
	for range 5 {
		fresh := *s
		if got := text(t, at(&fresh, time.Second), "/status"); !strings.Contains(got, "begun anew: a 1 begun anew: b 2 begun anew: c 3 begun anew: d 4 begun anew: e 5 Config") {
			t.Fatal(got)
		}
	}
}

// naughty are names that break what does not escape them.
var naughty = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `javascript:alert(1)`, `</title><script>alert(1)</script>`,
	`</style><b>`, `{{.}}`, `{{template "state"}}`, `${7*7}`, `../../etc/passwd`, `..`, `.`, `a/b?c=d&e=f#g`, `%00%2e%2e`, "nul\x00bell\x07esc\x1b[31m", "line\nbreak\r\n", "\u202eesrever", "\xff\xfe not UTF-8",
	"", " ", "ﷺ", "👩‍👩‍👧", "Ω≈ç√∫", `\`, `"`, "`", `' onmouseover='alert(1)`, `&lt;b&gt;`, `<!--`, `]]>`, strings.Repeat("long", 300), "__proto__", "NaN", "-0", "true",
}

var (
	hrefs  = regexp.MustCompile(`(?:href|action|src)="([^"]*)"`)
	styled = regexp.MustCompile(`<[a-z]+[^>]*\s(style|on[a-z]+)=`)
	values = regexp.MustCompile(`"[^"]*"`)
	opened = regexp.MustCompile(`<([a-zA-Z!?][a-zA-Z0-9]*)`)
)

// TestNaughtyNames: whatever models, versions, segments, features, categories and topics are called, pages have no element and no attribute
// more, all links lead on within the server, and nothing is left of what turns a terminal's or a reader's direction.
func TestNaughtyNames(t *testing.T) {
	elements := func(page string) (n int) { return len(opened.FindAllString(page, -1)) }
	plain := at(full(usual), time.Second)
	for _, name := range naughty {
		n := names{name, name, "country=" + name, name, name + " ", name, name}
		if name == "" {
			n.model, n.numeric, n.categorical = "m", "x", "y" // the config refuses empty ones
		}
		h := at(full(n), time.Second)
		for path, like := range map[string]string{
			"/": "/", "/status": "/status",
			link("/model", "name", n.model, "tab", "service"): "/model?name=fraud&tab=service", link("/model", "name", n.model, "tab", "data"): "/model?name=fraud&tab=data",
			link("/model", "name", n.model): "/model?name=fraud", link("/model", "name", n.model, "tab", "performance"): "/model?name=fraud&tab=performance",
			link("/feature", "name", n.model, "feature", n.numeric): "/feature?name=fraud&feature=amount", link("/feature", "name", n.model, "feature", n.categorical): "/feature?name=fraud&feature=merchant",
		} {
			w := ask(h, "GET", path)
			page := w.Body.String()
			if w.Code != 200 {
				t.Fatalf("%q: %s: %d", name, path, w.Code)
			}
			if got, want := elements(page), elements(ask(plain, "GET", like).Body.String()); got != want {
				t.Errorf("%q: %s has %d elements, not %d", name, path, got, want)
			}
			if s := styled.FindString(values.ReplaceAllString(page, `""`)); s != "" {
				t.Errorf("%q: %s has %s", name, path, s)
			}
			if strings.ContainsAny(page, "\x00\x07\x1b\u202e") {
				t.Errorf("%q: %s has control characters", name, path)
			}
			for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
				to := html.UnescapeString(m[1])
				u, err := url.Parse(to)
				if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "#") {
					t.Fatalf("%q: %s leads to %q", name, path, to)
				}
				if u.Path == "/model" || u.Path == "/feature" {
					if w := ask(h, "GET", to); w.Code != 200 && u.RawQuery != "" {
						t.Errorf("%q: %s leads to %q: %d", name, path, to, w.Code)
					}
				}
			}
		}
	}
}

// TestPolicy: pages, what they load, the API and errors forbid everything from elsewhere, frames and guesses of types.
func TestPolicy(t *testing.T) {
	for _, path := range []string{"/", "/status", "/model?name=fraud", "/model?name=nobody", "/feature?name=fraud&feature=amount", "/assets/style.css", "/assets/refresh.js", "/favicon.ico", "/nothing", "/api/v1/models", "/api/v1/models/nobody/windows/5m", "/api/v1/report", "/-/ready", "/metrics"} {
		h := ask(at(full(usual), 0), "GET", path).Header()
		if h.Get("Content-Security-Policy") != policy || strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestFirstPageIsFast: 20 models of 50 features, all of which have drifted in all segments, with 500 points of history.
func TestFirstPageIsFast(t *testing.T) {
	s := many(20, 50)
	r := monitor.NewRecorder(false)
	g := &monitor.Group{Pane: int64(10 * time.Second), Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	r.Expect(0, true, false, g.Slides())
	for i := range 500 {
		for m := range s.Models {
			one := result(s.Models[m].Model, "1", "5m")
			one.Length, one.End, one.Service.RequestsPerSecond = g.Windows[0].Length, noon.Add(time.Duration(i-500)*10*time.Second), monitor.Figure(100+i%7)
			r.Add([]*monitor.Result{one}, g.Pane)
		}
	}
	if s.History = r.History(); len(s.History.Tracks()) != 20 || s.History.Tracks()[0].Len() != 500 {
		t.Fatal("no history")
	}
	h := at(s, time.Second)
	best := time.Hour
	var size int
	for range 5 {
		fresh := *s
		h = at(&fresh, time.Second)
		start := time.Now()
		w := ask(h, "GET", "/")
		best, size = min(best, time.Since(start)), w.Body.Len()
	}
	size += ask(h, "GET", "/assets/style.css").Body.Len() + ask(h, "GET", "/assets/refresh.js").Body.Len() + len(favicon)
	t.Logf("%s, %d bytes with assets", best, size)
	if best > 100*time.Millisecond && !raceEnabled || size > 300_000 {
		t.Errorf("%s, %d bytes", best, size)
	}
}

// many is a snapshot of so many models with so many features each.
func many(models, features int) *monitor.Snapshot {
	s := &monitor.Snapshot{At: noon.UnixNano(), Exporting: true, Ledger: event.Ledger{Consumed: 1, Accepted: 1}}
	for m := range models {
		name := fmt.Sprintf("model-%02d", m)
		s.Models = append(s.Models, monitor.ModelStatus{Model: name, LastEvent: noon.UnixNano()})
		for _, segment := range []string{"", "country=DE", "country=FR", "country=US"} {
			for i, window := range []string{"5m", "1h", "24h"} {
				r := result(name, "1", window)
				r.Segment, r.Length, r.Judged, r.Drifted = segment, int64(i+1)*300e9, features, features
				for f := range features {
					one := moved(names{numeric: fmt.Sprintf("feature_%02d", f)})[0]
					r.Features = append(r.Features, one)
				}
				s.Results = append(s.Results, r)
			}
		}
	}
	return s
}

// TestGaps: a line is broken where slides are missing, not where all points are further apart, as those of a backlog are.
func TestGaps(t *testing.T) {
	for ends, want := range map[string]string{
		"":                         "",
		"0 10 20 30 50 60":         "",  // one slide is missing
		"0 10 20 30 40 90 100 110": "5", // four are
		"0 60 120 180 240":         "",  // one of six is there
		"0 60 120 180 190 200":     "",  // up to where the backlog ends
		"0 60 120 180 400 460 520": "4", // an outage within it
		"0 300 310 320":            "1",
		"0 10 20 30 40 50 200":     "6",
	} {
		var points []monitor.Point
		for _, s := range strings.Fields(ends) {
			x, _ := strconv.Atoi(s)
			points = append(points, monitor.Point{End: int64(x) * 1e9})
		}
		var got []string
		for i := range points {
			if gap(10e9, points, i) {
				got = append(got, strconv.Itoa(i))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: broken before %v, want %q", ends, got, want)
		}
	}
}
