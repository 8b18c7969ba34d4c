package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// alertmanagerFiles writes Alertmanager's config and templates, and returns the config's name.
func alertmanagerFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range RuleFiles(DefaultConfig()) {
		name, ok := strings.CutPrefix(f.Name, "alertmanager/")
		if !ok {
			continue
		}
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "alertmanager.yml")
}

func amtool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("amtool")
	if err != nil {
		t.Skip("needs amtool (Debian's package prometheus-alertmanager)")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("amtool %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestAlertmanagerRoutes: amtool takes the config, and leads every alert to the receiver of its severity.
func TestAlertmanagerRoutes(t *testing.T) {
	file := alertmanagerFiles(t)
	out := amtool(t, "check-config", file)
	for _, want := range []string{"SUCCESS", "5 receivers", "1 templates", fmt.Sprintf("%d inhibit rules", len(inhibitions))} {
		if !strings.Contains(out, want) {
			t.Errorf("check-config says\n%s", out)
		}
	}
	receivers := map[string]string{"page": "pager", "ticket": "tickets", "info": "chat"}
	for _, a := range testRules(t).Alerts {
		amtool(t, "config", "routes", "test", "--config.file="+file, "--verify.receivers="+receivers[a.Severity],
			"alertname="+a.Name, "severity="+a.Severity, "level="+a.Level, "job=streammon", "model=fraud")
	}
	// Alerts of others are nobody's page.
	amtool(t, "config", "routes", "test", "--config.file="+file, "--verify.receivers=tickets", "alertname=Other", "severity=critical")
}

// runAlertmanager runs the real one on loopback until the test ends, and returns its address.
func runAlertmanager(t *testing.T, file string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("needs prometheus-alertmanager (Debian's package)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var log bytes.Buffer
	cmd := exec.Command(program, "--config.file="+file, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	eventually(t, 30*time.Second, "Alertmanager is ready", func() bool {
		response, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return address
}

func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestInhibitions asks a real Alertmanager what is silenced by what.
func TestInhibitions(t *testing.T) {
	alert := func(name string, more ...string) map[string]string {
		labels := map[string]string{"alertname": name, "job": "streammon"}
		for _, a := range testRules(t).Alerts {
			if a.Name == name {
				labels["severity"], labels["level"] = a.Severity, a.Level
			}
		}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return labels
	}
	drift := alert("StreammonFeatureDrift", "model", "fraud", "feature", "amount")
	missing := alert("StreammonFeatureMissing", "model", "fraud", "feature", "amount")
	fast, slow := alert("StreammonErrorBurnFast", "model", "fraud"), alert("StreammonErrorBurnSlow", "model", "fraud")
	for _, c := range []struct {
		name   string
		alerts []map[string]string
		silent []bool
	}{
		{"down silences models", []map[string]string{alert("StreammonDown"), fast, drift, alert("StreammonNoEvents", "model", "fraud")}, []bool{false, true, true, true}},
		{"blind silences models and tickets of the monitor", []map[string]string{alert("StreammonStalled"), fast, alert("StreammonLag", "topic", "t")}, []bool{false, true, true}},
		{"one page when down", []map[string]string{alert("StreammonDown"), alert("StreammonStalled")}, []bool{false, true}},
		{"another deployment is none of it", []map[string]string{alert("StreammonDown", "job", "other"), fast, drift}, []bool{false, false, true}},
		{"a model silences notes on its features", []map[string]string{alert("StreammonPerformanceWorse", "model", "fraud", "version", "7"), drift, missing}, []bool{false, true, false}},
		{"but not on those of others", []map[string]string{alert("StreammonPerformanceWorse", "model", "shop"), drift}, []bool{false, false}},
		{"many silence each", []map[string]string{alert("StreammonManyFeaturesDrifted", "model", "fraud"), drift, missing}, []bool{false, true, true}},
		{"fast silences slow", []map[string]string{fast, slow, alert("StreammonMispredictionBurnSlow", "model", "fraud")}, []bool{false, true, false}},
		{"medium silences slow", []map[string]string{alert("StreammonErrorBurnMedium", "model", "fraud"), slow, alert("StreammonErrorBurnSlow", "model", "shop")}, []bool{false, true, false}},
		{"and of wrong answers", []map[string]string{alert("StreammonMispredictionBurnMedium", "model", "fraud"), alert("StreammonMispredictionBurnSlow", "model", "fraud")}, []bool{false, true}},
		{"nothing silences itself", []map[string]string{drift, missing}, []bool{false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := runAlertmanager(t, alertmanagerFiles(t))
			var posted []map[string]any
			for _, labels := range c.alerts {
				posted = append(posted, map[string]any{"labels": labels, "annotations": map[string]string{"summary": "x", "dashboard_url": "http://g", "runbook_url": "http://r"}})
			}
			body, err := json.Marshal(posted)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.Post("http://"+address+"/api/v2/alerts", "application/json", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			var got []string
			eventually(t, 20*time.Second, fmt.Sprintf("of %v %v are silent, got %q", c.alerts, c.silent, got), func() bool {
				got = silenced(t, address)
				var want []string
				for i, labels := range c.alerts {
					want = append(want, fmt.Sprintf("%s %s %v", labels["alertname"], labels["model"], c.silent[i]))
				}
				slices.Sort(want)
				return slices.Equal(got, want)
			})
		})
	}
}

// silenced lists the alerts that Alertmanager has, and whether each is inhibited.
func silenced(t *testing.T, address string) (out []string) {
	t.Helper()
	response, err := http.Get("http://" + address + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var alerts []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	if err := json.NewDecoder(response.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		out = append(out, fmt.Sprintf("%s %s %v", a.Labels["alertname"], a.Labels["model"], len(a.Status.InhibitedBy) > 0))
	}
	slices.Sort(out)
	return out
}
