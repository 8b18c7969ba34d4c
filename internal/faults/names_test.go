package faults

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// hostileNames are names that mean something to a format, a terminal or a browser. All are valid UTF-8.
var hostileNames = []string{
	`quo"te`, `back\slash`, `trailing\`, `",evil="1`, `"} 1` + "\n" + `streammon_window_events{model="evil"} 666`, "new\nline", "carriage\rreturn", "tab\ttab",
	"nul\x00", "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\u009b31mred", "\x7fdel", "\u0085next", "\u2028separator\u2029", "\u202egnp.exe", "\u200f\u200e\u2066x\u2069", "\ufeffbom",
	"le", "quantile", "__name__", "job", "instance", "q", "model", "__other", "{}", "# HELP x", "# EOF", "NaN", "+Inf", "null", "true", "-", "~", "*anchor", "&anchor", "!!str", " ", " x ", "=", "a=b", "a,b", "a.b", "$.a",
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `</table>`, `<!--`, `&lt;`, `'`, `{{.}}`, "javascript:alert(1)", "${jndi:ldap://x}", "%s%n%d", "%2e%2e%2f", "../../etc/passwd", `C:\x`, "`id`", "$(id)", "level=error msg=evil",
	"😀", "e\u0301", "\u00e9", "\U0010ffff", "\ufffd", "İ", strings.Repeat("x", 128), strings.Repeat("é", 64), strings.Repeat("é", 100),
}

// longName is cut to its label, and forgedName is this label.
var (
	longName   = strings.Repeat("v", 300)
	forgedName = fmt.Sprintf("%.109s…%.8x", longName, sha256.Sum256([]byte(longName)))
)

// legal are the names that a config may have.
func legal(names []string) (out []string) {
	for _, n := range names {
		if !strings.ContainsFunc(n, unicode.IsControl) {
			out = append(out, n)
		}
	}
	return out
}

const versionsPerModel = 4

// namesConfig has a model for each few versions, with a hostile name where there are enough, one with
// all hostile features, and one with all hostile segments.
func namesConfig(t *testing.T, b testkafka.Broker, topic string, more string) (config string, models []string) {
	t.Helper()
	quoted := func(s string) string {
		j, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(j)
	}
	names := legal(hostileNames)
	models = names[:(len(hostileNames)+versionsPerModel-1)/versionsPerModel]
	var text strings.Builder
	fmt.Fprintf(&text, "kafka: {brokers: [%q], group: %s, start: earliest}\nwindows: [1m]\nmax_series: 100000\n%smodels:\n", b.Bootstrap[0], topic, more)
	for _, m := range models {
		fmt.Fprintf(&text, "  - {name: %s, topics: {predictions: %s}, features: {f: numeric}}\n", quoted(m), topic)
	}
	fmt.Fprintf(&text, "  - name: features\n    topics: {predictions: %s}\n    features:\n", topic)
	for _, n := range names {
		fmt.Fprintf(&text, "      %s: categorical\n", quoted(n))
	}
	fmt.Fprintf(&text, "  - name: segments\n    topics: {predictions: %s}\n    features: {f: numeric}\n    segments:\n", topic)
	var values []string
	for _, n := range names {
		values = append(values, quoted(n))
	}
	for _, n := range []string{"quo\"te", "\u202egnp.exe", "<b>", "le"} {
		fmt.Fprintf(&text, "      - {name: %s, values: [%s]}\n", quoted(n), strings.Join(values, ", "))
	}
	config = filepath.Join(t.TempDir(), "names.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return config, models
}

// namesMessages are events with hostile versions, features, categories and segments, and such as are
// rejected.
func namesMessages(t *testing.T, models []string) (messages [][]byte) {
	t.Helper()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	add := func(e map[string]any) {
		at = at.Add(10 * time.Millisecond)
		e["time"] = at.UnixMilli()
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, b)
	}
	for i, n := range hostileNames {
		add(map[string]any{"model": models[i/versionsPerModel], "version": n, "id": n, "features": map[string]any{"f": i, n: n}})
		add(map[string]any{"model": "features", "version": "1", "features": map[string]any{n: hostileNames[len(hostileNames)-1-i]}})
		add(map[string]any{"model": "segments", "version": "1", "features": map[string]any{"f": i}, "segments": map[string]any{"quo\"te": n, "\u202egnp.exe": n, "<b>": n, "le": n}})
		add(map[string]any{"model": "unknown " + n, "version": n})
		messages = append(messages, []byte("{\"model\":\"\xff"+n+"\"}"), []byte(n))
	}
	add(map[string]any{"model": "features", "version": longName})
	add(map[string]any{"model": "features", "version": forgedName})
	at = at.Add(50 * time.Second) // moves the watermark past the others
	add(map[string]any{"model": "features", "version": "1"})
	return messages
}

// TestHostileNames uses names that mean something to formats, terminals and browsers wherever a name
// may stand. The exposition stays parseable, by a real Prometheus too, and has exactly these names;
// pages and JSON interpret none; a line of the log is an event.
func TestHostileNames(t *testing.T) {
	_, b := testkafka.Fake(t)
	for _, format := range []string{"logfmt", "json"} {
		t.Run(format, func(t *testing.T) {
			topic := b.CreateTopic(t, 1, nil)
			dir := t.TempDir()
			letters := filepath.Join(dir, "letters.jsonl")
			config, models := namesConfig(t, b, topic, fmt.Sprintf("state: {dir: %s}\ndead_letters: {file: %s}\n", filepath.Join(dir, "state"), letters))
			messages := namesMessages(t, models)
			client := b.Client(t)
			for i, m := range messages {
				n := hostileNames[i%len(hostileNames)]
				r := &kgo.Record{Topic: topic, Value: m, Key: []byte(n), Timestamp: time.UnixMilli(1780315200000), Headers: []kgo.RecordHeader{{Key: n, Value: []byte(n)}}}
				client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := run(t, nil, "--config.file="+config, "--log.format="+format, "--log.level=debug")
			await(t, 20*time.Second, "end of the reading", func() bool { return consumed(p) == float64(len(messages)) })
			await(t, 20*time.Second, "last window", func() bool {
				n, _ := p.metric("streammon_window_events", `model="segments",segment="",`)
				return n == float64(len(hostileNames))
			})
			checkExposition(t, p, models)
			checkScrape(t, p, models)
			checkPages(t, p, models)
			p.terminate(t)
			noPanic(t, p)
			checkLog(t, p.log.String(), format)
			checkLines(t, letters)
		})
	}
}

// labelsOf returns the values of a label of a metric, by the value of another label.
func labelsOf(f *dto.MetricFamily, of, by string) map[string][]string {
	out := map[string][]string{}
	for _, m := range f.GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if !slices.Contains(out[labels[by]], labels[of]) {
			out[labels[by]] = append(out[labels[by]], labels[of])
		}
	}
	return out
}

var cutLabel = regexp.MustCompile(`…[0-9a-f]{16}$`)

// sameNames fails unless the names of labels are those wanted. One with control characters, or too long,
// is told by a hash.
func sameNames(t *testing.T, what string, got, want []string) {
	t.Helper()
	var whole []string
	hashed := 0
	for _, n := range want {
		if strings.ContainsFunc(n, unicode.IsControl) || len(n) > 128 {
			hashed++
		} else {
			whole = append(whole, n)
		}
	}
	got = slices.Clone(got)
	got = slices.DeleteFunc(got, func(n string) bool {
		if slices.Contains(whole, n) || !cutLabel.MatchString(n) || len(n) > 128 {
			return false
		}
		hashed--
		return true
	})
	slices.Sort(got)
	slices.Sort(whole)
	if !slices.Equal(got, whole) || hashed != 0 {
		t.Errorf("%s are\n%q\nwant\n%q\nand %d more hashed ones", what, got, whole, hashed)
	}
}

func checkExposition(t *testing.T, p *program, models []string) {
	t.Helper()
	_, page := p.get("/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("the exposition cannot be parsed: %v", err)
	}
	versions := labelsOf(families["streammon_window_events"], "version", "model")
	for i, m := range models {
		sameNames(t, fmt.Sprintf("the versions of %q", m), versions[m], hostileNames[i*versionsPerModel:min((i+1)*versionsPerModel, len(hostileNames))])
	}
	if n := len(versions); n != len(models)+2 {
		t.Errorf("there are %d models, want %d", n, len(models)+2)
	}
	sameNames(t, "the features", labelsOf(families["streammon_feature_missing_ratio"], "feature", "model")["features"], legal(hostileNames))
	var segments []string
	for _, n := range []string{"quo\"te", "\u202egnp.exe", "<b>", "le"} {
		for _, value := range append(legal(hostileNames), "__other__") {
			segments = append(segments, n+"="+value)
		}
	}
	sameNames(t, "the segments", labelsOf(families["streammon_window_events"], "segment", "model")["segments"], append(segments, ""))
	visible(t, "/metrics", page)
	if v := versions["features"]; len(v) != 3 || !slices.Contains(v, forgedName) {
		t.Errorf("a version that is named as the label of another hides it: %q, the label is %q", v, forgedName)
	}
}

// visible fails if a text has control characters other than line breaks: a terminal might obey.
func visible(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("%s has a control character: %.300q", what, line)
		}
	}
}

// shown is a name as pages have it.
func shown(name string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, name))
}

// pageTags are those that pages have.
var pageTags = strings.Fields(`a article body button code dd details div dl doctype dt em fieldset figcaption figure footer form h1 h2 h3 head header html input
	label li line link main meta nav noscript option p path pre rect script section select span strong summary svg table tbody td text th thead time title tr ul`)

// checkPage fails if a page has a control character or a tag that is not one of ours, and returns it as html.EscapeString writes names.
func checkPage(t *testing.T, p *program, path string) string {
	t.Helper()
	status, page := p.get(path)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, page)
	}
	visible(t, path, page)
	for _, m := range regexp.MustCompile(`</?!?([^ />]*)`).FindAllStringSubmatch(page, -1) {
		if !slices.Contains(pageTags, strings.ToLower(m[1])) {
			t.Errorf("%s has %s", path, m[0])
		}
	}
	if strings.Count(page, "<script") != 1 || strings.Count(page, "<title>") != 1+strings.Count(page, "<rect") {
		t.Errorf("%s has another script or title", path)
	}
	return html.EscapeString(html.UnescapeString(page))
}

func checkPages(t *testing.T, p *program, models []string) {
	t.Helper()
	first := checkPage(t, p, "/")
	checkPage(t, p, "/status")
	for i, m := range models {
		page := checkPage(t, p, "/model?"+url.Values{"name": {m}, "tab": {"service"}}.Encode())
		for _, n := range hostileNames[i*versionsPerModel : min((i+1)*versionsPerModel, len(hostileNames))] {
			if !strings.Contains(page, shown(n)) {
				t.Errorf("the page of %q lacks %q", m, n)
			}
		}
		if !strings.Contains(first, shown(m)) {
			t.Errorf("the first page lacks %q", m)
		}
	}
	var listed []struct {
		Model    string
		Versions []string
	}
	_, body := p.get("/api/v1/models")
	if err := json.Unmarshal([]byte(body), &listed); err != nil {
		t.Fatal(err)
	}
	visible(t, "/api/v1/models", body)
	versions := map[string][]string{}
	for _, l := range listed {
		versions[l.Model] = slices.Sorted(slices.Values(l.Versions))
	}
	for i, m := range models {
		want := slices.Sorted(slices.Values(hostileNames[i*versionsPerModel : min((i+1)*versionsPerModel, len(hostileNames))]))
		if !slices.Equal(versions[m], want) {
			t.Errorf("the API lists %q of %q, want %q", versions[m], m, want)
		}
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/models/segments/windows/1m", "/api/v1/models/features/windows/1m"} {
		if status, body := p.get(path); status != http.StatusOK || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %.300q", path, status, body)
		} else {
			visible(t, path, body)
		}
	}
}

var logfmtLine = regexp.MustCompile(`^time=\S+ level=(DEBUG|INFO|WARN|ERROR) source=\S+ msg=("([^"\\]|\\.)*"|[^ "=]+)( [a-z0-9_.]+=("([^"\\]|\\.)*"|[^ "]*))*$`)

// checkLog fails unless each line is an event in the format.
func checkLog(t *testing.T, log, format string) {
	t.Helper()
	lines := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		lines++
		if ok := format == "json" && json.Valid([]byte(line)) || format == "logfmt" && logfmtLine.MatchString(line); !ok {
			t.Errorf("no event: %.300q", line)
		}
	}
	visible(t, "the log", log)
	if lines < 5 {
		t.Errorf("the log has %d lines", lines)
	}
}

// checkLines fails unless each line of a file is a JSON value.
func checkLines(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %.300q", line)
		}
	}
	if want := 3 * len(hostileNames); n != want {
		t.Errorf("there are %d dead letters, want %d", n, want)
	}
	visible(t, file, string(text))
}

// checkScrape has a real Prometheus scrape the program, and asks it for the versions.
func checkScrape(t *testing.T, p *program, models []string) {
	t.Helper()
	name := os.Getenv("STREAMMON_PROMETHEUS")
	if name == "" {
		var err error
		if name, err = exec.LookPath("prometheus"); err != nil {
			t.Skip("needs prometheus in PATH or STREAMMON_PROMETHEUS")
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs: [{job_name: streammon, honor_labels: true, scrape_interval: 1s, static_configs: [{targets: [%q]}]}]\n", p.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	q := launch(t, nil, name, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	q.address = address
	var found struct {
		Data []map[string]string
	}
	await(t, 30*time.Second, "scrape", func() bool {
		_, body := q.get("/api/v1/series?match[]=streammon_window_events")
		return json.Unmarshal([]byte(body), &found) == nil && len(found.Data) > 0
	})
	var targets struct {
		Data struct {
			ActiveTargets []struct{ Health, LastError string }
		}
	}
	if _, body := q.get("/api/v1/targets"); json.Unmarshal([]byte(body), &targets) != nil || len(targets.Data.ActiveTargets) != 1 || targets.Data.ActiveTargets[0].Health != "up" {
		t.Errorf("the target is %s", body)
	}
	versions := map[string][]string{}
	for _, s := range found.Data {
		if s["segment"] == "" {
			versions[s["model"]] = append(versions[s["model"]], s["version"])
		}
	}
	for i, m := range models {
		sameNames(t, fmt.Sprintf("the versions of %q in Prometheus", m), versions[m], hostileNames[i*versionsPerModel:min((i+1)*versionsPerModel, len(hostileNames))])
	}
	_ = q.cmd.Process.Kill()
	<-q.done
}
