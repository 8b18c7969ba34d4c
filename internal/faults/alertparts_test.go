package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Alerts of the chain wait for a part of the time that those wait which are shipped: pages on models for a twentieth, pages on the monitor for a fifth,
// which its restart has to be within, and others for a twelfth. What keeps them is a fifth.
const (
	modelPagesFaster   = 20
	monitorPagesFaster = 5
	othersFaster       = 12
	keepsFaster        = 5
)

var (
	pendingLine = regexp.MustCompile(`(?m)^( +for: )(\S+)$`)
	keepLine    = regexp.MustCompile(`(?m)^( +keep_firing_for: )(\S+)$`)
)

// faster shortens the waiting times of rules.
func faster(t *testing.T, rules string) string {
	t.Helper()
	divide := func(text string, line *regexp.Regexp, by time.Duration) string {
		return line.ReplaceAllStringFunc(text, func(s string) string {
			m := line.FindStringSubmatch(s)
			d, err := time.ParseDuration(m[2])
			if err != nil {
				t.Fatal(err)
			}
			return m[1] + fmt.Sprintf("%ds", int((d/by).Seconds()))
		})
	}
	blocks := strings.Split(rules, "- alert: ")
	for i, b := range blocks[1:] {
		by := time.Duration(othersFaster)
		switch {
		case strings.Contains(b, "severity: page\n") && strings.Contains(b, "level: monitor\n"):
			by = monitorPagesFaster
		case strings.Contains(b, "severity: page\n"):
			by = modelPagesFaster
		}
		blocks[i+1] = divide(divide(b, pendingLine, by), keepLine, keepsFaster)
	}
	return strings.Join(blocks, "- alert: ")
}

// told is an alert that reached a receiver.
type told struct {
	at       time.Time
	receiver string // pager, tickets or chat
	over     bool   // it is told that it is resolved
	text     string // all of the message
	links    []string
}

// receivers take messages as PagerDuty, a webhook and Slack do.
type receivers struct {
	*httptest.Server
	mu   sync.Mutex
	all  []told
	fail func(format string, args ...any)
}

func startReceivers(t *testing.T) *receivers {
	r := &receivers{fail: t.Errorf}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/enqueue", r.pager)
	mux.HandleFunc("POST /tickets", r.tickets)
	mux.HandleFunc("POST /slack", r.chat)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *receivers) take(w http.ResponseWriter, q *http.Request, into any) (text string, ok bool) {
	body, err := io.ReadAll(q.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		r.fail("a message to %s is no JSON: %v", q.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
	}
	return string(body), err == nil
}

func (r *receivers) add(x told) {
	x.at = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, x)
}

// since returns what was told since a time.
func (r *receivers) since(at time.Time) []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.all), func(x told) bool { return x.at.Before(at) })
}

func (r *receivers) pager(w http.ResponseWriter, q *http.Request) {
	var m struct {
		Action  string `json:"event_action"`
		Key     string `json:"routing_key"`
		Payload struct{ Summary, Severity string }
		Links   []struct{ Href string }
	}
	text, ok := r.take(w, q, &m)
	if !ok {
		return
	}
	if m.Key != "secret" || m.Payload.Severity != "critical" || m.Payload.Summary == "" {
		r.fail("a page is %s", text)
	}
	x := told{receiver: "pager", over: m.Action == "resolve", text: text}
	for _, l := range m.Links {
		x.links = append(x.links, l.Href)
	}
	r.add(x)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{"status":"success"}`)
}

func (r *receivers) tickets(w http.ResponseWriter, q *http.Request) {
	var m struct {
		Status string
		Alerts []struct{ Annotations map[string]string }
	}
	text, ok := r.take(w, q, &m)
	if !ok {
		return
	}
	x := told{receiver: "tickets", over: m.Status == "resolved", text: text}
	for _, a := range m.Alerts {
		x.links = append(x.links, a.Annotations["dashboard_url"], a.Annotations["runbook_url"])
	}
	r.add(x)
}

func (r *receivers) chat(w http.ResponseWriter, q *http.Request) {
	var m struct {
		Attachments []struct {
			Title   string
			Actions []struct{ URL string }
		}
	}
	text, ok := r.take(w, q, &m)
	if !ok {
		return
	}
	x := told{receiver: "chat", text: text}
	for _, a := range m.Attachments {
		x.over = strings.HasPrefix(a.Title, "Over: ")
		for _, l := range a.Actions {
			x.links = append(x.links, l.URL)
		}
	}
	r.add(x)
	fmt.Fprint(w, "ok")
}

// checkLinks sees that a message leads to a dashboard of the model and to runbooks that are there.
func (x *told) checkLinks(t *testing.T, model string) {
	t.Helper()
	dashboards, runbooks := 0, 0
	for _, link := range x.links {
		u, err := url.Parse(link)
		switch {
		case err != nil:
			t.Errorf("the link %q: %v", link, err)
		case u.Host == "grafana.test":
			dashboards++
			if !strings.HasPrefix(u.Path, "/d/streammon-") || u.Query().Get("var-job") != "streammon" || u.Query().Get("var-model") != model {
				t.Errorf("the link %q leads elsewhere than to %s", link, model)
			}
		case u.Host == "runbooks.test":
			runbooks++
			if _, err := os.Stat(filepath.Join("../../docs/runbooks", filepath.Base(u.Path))); err != nil {
				t.Errorf("the link %q: %v", link, err)
			}
		default:
			t.Errorf("the link %q leads to nowhere", link)
		}
	}
	if dashboards == 0 || runbooks == 0 {
		t.Errorf("the message lacks links: %q", x.links)
	}
}

// chainProgram is a program that must be there.
func chainProgram(t *testing.T, name, variable string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("needs %s in PATH or %s", name, variable)
	}
	return path
}

// startAlertmanager starts the real one with the generated config, whose receivers are replaced.
func startAlertmanager(t *testing.T, dir string, to *receivers) *program {
	t.Helper()
	secrets := t.TempDir()
	for name, text := range map[string]string{"pagerduty": "secret", "slack": to.URL + "/slack"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "alertmanager", "alertmanager.yml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{
		{"https://events.pagerduty.com/v2/enqueue", to.URL + "/v2/enqueue"}, {"http://localhost:9099/tickets", to.URL + "/tickets"},
		{"/etc/alertmanager/secrets", secrets}, {"group_wait: 1m", "group_wait: 5s"}, {"group_wait: 5m", "group_wait: 25s"},
		{"group_interval: 10m", "group_interval: 20s"}, {"group_interval: 30m", "group_interval: 30s"},
	} {
		if !strings.Contains(string(text), r[0]) {
			t.Fatalf("Alertmanager's config lacks %s", r[0])
		}
		text = []byte(strings.ReplaceAll(string(text), r[0], r[1]))
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	p := launch(t, nil, chainProgram(t, "prometheus-alertmanager", "STREAMMON_ALERTMANAGER"),
		"--config.file="+file, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=")
	p.address = address
	p.awaitReady(t, 30*time.Second)
	return p
}

// startPrometheus starts the real one with the generated rules, made faster.
func startPrometheus(t *testing.T, dir, monitor, alertmanager string) *program {
	t.Helper()
	rules := filepath.Join(dir, "prometheus", "rules", "streammon.yml")
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rules, []byte(faster(t, string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	file := fmt.Sprintf(`global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: streammon, static_configs: [{targets: [%q]}]}]
`, rules, alertmanager, monitor)
	if err := os.WriteFile(config, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	p := launch(t, nil, chainProgram(t, "prometheus", "STREAMMON_PROMETHEUS"),
		"--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address, "--log.level=warn")
	p.address = address
	p.awaitReady(t, 60*time.Second)
	return p
}

// firing are the alerts that Prometheus says fire, as name and labels.
func firing(t *testing.T, prometheus *program) (out []string) {
	t.Helper()
	_, body := prometheus.get("/api/v1/query?query=" + url.QueryEscape(`ALERTS{alertstate="firing"}`))
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, r := range answer.Data.Result {
		m := r.Metric
		out = append(out, strings.Join([]string{m["alertname"], m["model"], m["version"], m["feature"]}, " "))
	}
	slices.Sort(out)
	return out
}
