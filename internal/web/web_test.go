package web

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streammon/streammon/internal/attack"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

func TestMain(m *testing.M) {
	if attack.Main() {
		return
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func result(model, version, window string) *monitor.Result {
	return &monitor.Result{
		Model: model, Version: version, Window: window, Start: noon.Add(-time.Hour), End: noon, Events: 10,
		Service: monitor.Service{RequestsPerSecond: 2, ErrorRatio: monitor.Undefined},
	}
}

// picture has one model with two windows, a feature that drifted, and one model without events.
func picture() *monitor.Snapshot {
	hour := result("fraud", "7", "1h")
	hour.Drifted, hour.Judged = 1, 2
	hour.Features = []monitor.FeatureResult{
		{Name: "<script>alert(1)</script>", Type: "numeric", State: monitor.StateDrift, Mean: monitor.Undefined, StdDev: monitor.Undefined,
			Min: monitor.Undefined, Max: monitor.Undefined, Drift: monitor.Drifts{{Statistic: "psi", Value: 0.34, Threshold: 0.1, PValue: monitor.Undefined}}},
		{Name: "quiet", Type: "numeric", State: monitor.StateOK},
	}
	hour.Performance = &monitor.PerformanceResult{
		Labelled: true, End: noon, State: eval.Worse, Matched: 80, Expired: 20, MatchedRatio: 0.8, Delay: monitor.Quantiles{{Q: "0.5", Value: 90}, {Q: "0.9", Value: 600}},
		Figures:   []eval.Figure{{Name: "accuracy", Value: 0.9375}, {Name: "accuracy", Label: "decision", At: "threshold", Value: 0.5}, {Name: "mcc", Value: 0.25}, {Name: "roc_auc", Value: 0.75}},
		Estimated: []eval.Figure{{Name: "estimated_accuracy", Value: 0.875}},
	}
	s := &monitor.Snapshot{
		At:      noon.UnixNano(),
		Results: []*monitor.Result{result("fraud", "7", "5m"), hour},
		Models: []monitor.ModelStatus{
			{Model: "fraud", Accepted: 20, LastEvent: noon.UnixNano(), References: []monitor.ReferenceStatus{{Version: "7", Fingerprint: "00ff"}},
				Labels: &monitor.LabelStatus{Matched: 11, Early: 1, Pending: 9, Waiting: 12}},
			{Model: "idle", Learning: &monitor.LearningStatus{Until: noon.UnixNano() + 36e11, Since: noon.UnixNano() + 37e11, Events: 7}},
		},
		Partitions: []monitor.PartitionStatus{
			{Topic: "p", Partition: 0, Consumed: 25, Lag: 3, Watermark: noon.UnixNano()},
			{Topic: "p", Partition: 1, Lag: -1},
		},
		Placements: []monitor.PlacementStatus{
			{Topic: "l", Predictions: "p", Labels: 200, Elsewhere: 150, Partition: 1, Prediction: 2, Misplaced: true}, {Topic: "clicks", Predictions: "shop"},
		},
		Exporting: true,
	}
	s.Ledger = event.Ledger{Consumed: 25, Accepted: 20, Late: 2}
	s.Ledger.Rejected[event.Syntax] = 3
	return s
}

func handlerOf(s *monitor.Snapshot) http.Handler {
	board := &monitor.Board{}
	if s != nil {
		board.Publish(s)
	}
	return NewHandler(board, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("the metrics\n")) }))
}

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		method, path string
		code         int
		kind, has    string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<title>Overview · streammon</title>"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/metrics", 200, "", "the metrics"},
		{"GET", "/favicon.ico", 200, "image/svg+xml", "<svg"},
		{"GET", "/-/healthy", 200, "", "healthy\n"},
		{"GET", "/-/ready", 200, "", "ready\n"},
		{"GET", "/api/v1/models", 200, "application/json", `"model":"fraud"`},
		{"GET", "/api/v1/status", 200, "application/json", `"ready":true`},
		{"GET", "/api/v1/models/fraud/windows/5m", 200, "application/json", `"window":"5m"`},
		{"GET", "/api/v1/models/idle/windows/5m", 200, "application/json", "[]\n"},
		{"GET", "/api/v1/models/nobody/windows/5m", 404, "", "no such model"},
		{"GET", "/api/v1/models/fraud/windows/", 404, "", ""},
		{"GET", "/nothing", 404, "", ""},
		{"POST", "/-/ready", 405, "", ""},
		{"DELETE", "/api/v1/models", 405, "", ""},
	} {
		w := ask(handlerOf(picture()), c.method, c.path)
		if w.Code != c.code || c.kind != "" && w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s: %d %v\n%s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
}

func TestModelsTellOfLabels(t *testing.T) {
	got := ask(handlerOf(picture()), "GET", "/api/v1/models").Body.String()
	const want = `"labels":{"matched":11,"early":1,"unmatched":0,"duplicate":0,"conflict":0,"useless":0,"expired":0,"evicted":0,"pending":9,"waiting":12}`
	if strings.Count(got, want) != 1 || strings.Count(got, `"labels"`) != 1 {
		t.Errorf("got %s", got)
	}
}

func TestReadiness(t *testing.T) {
	waiting := picture()
	waiting.NotReady = "partition 3 of p has not caught up"
	for _, c := range []struct {
		s    *monitor.Snapshot
		want string
	}{{nil, "not ready: starting\n"}, {waiting, "not ready: partition 3 of p has not caught up\n"}} {
		w := ask(handlerOf(c.s), "GET", "/-/ready")
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != c.want {
			t.Errorf("%d %q, want %q", w.Code, w.Body, c.want)
		}
		if w := ask(handlerOf(c.s), "GET", "/-/healthy"); w.Code != 200 {
			t.Errorf("not healthy: %d", w.Code)
		}
	}
}

// Every path answers before there is anything to show.
func TestBeforeTheFirstSnapshot(t *testing.T) {
	for _, path := range []string{"/", "/api/v1/models", "/api/v1/status"} {
		if w := ask(handlerOf(nil), "GET", path); w.Code != 200 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if got := ask(handlerOf(nil), "GET", "/api/v1/models").Body.String(); got != "[]\n" {
		t.Errorf("models: %q", got)
	}
	if got := ask(handlerOf(nil), "GET", "/").Body.String(); !strings.Contains(got, "starting") || !strings.Contains(got, "the models are not there yet") {
		t.Error(got)
	}
}

func TestStandbyPage(t *testing.T) {
	standby := picture()
	standby.Exporting = false
	if page := ask(handlerOf(standby), "GET", "/").Body.String(); !strings.Contains(page, "Another member of the group exports") {
		t.Error("a standby's page does not say so")
	}
}

// The objects of the API are the lines of the results, byte for byte.
func TestWindowsAreTheLinesOfResults(t *testing.T) {
	s := picture()
	other := result("fraud", "8", "1h")
	s.Results = append(s.Results, other)
	want := string(s.Results[1].AppendJSON([]byte{'['}))
	want = string(other.AppendJSON([]byte(want+","))) + "]\n"
	if got := ask(handlerOf(s), "GET", "/api/v1/models/fraud/windows/1h").Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestModelsAndStatus(t *testing.T) {
	var models []map[string]any
	if err := json.Unmarshal(ask(handlerOf(picture()), "GET", "/api/v1/models").Body.Bytes(), &models); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(models)
	const want = `[{"accepted_events":20,"duplicate_events":0,"labels":{"conflict":0,"duplicate":0,"early":1,"evicted":0,"expired":0,"matched":11,"pending":9,"unmatched":0,"useless":0,"waiting":12},"last_event":"2026-03-01T12:00:00Z","late_events":0,"model":"fraud","references":[{"fingerprint":"00ff","version":"7"}],"segments":[""],"versions":["7"],"windows":["5m","1h"]},` +
		`{"accepted_events":0,"duplicate_events":0,"late_events":0,"learning":{"done":false,"events":7,"in_force_from":"2026-03-01T13:01:40Z","until":"2026-03-01T13:00:00Z"},"model":"idle","references":[],"segments":[],"versions":[],"windows":[]}]`
	if string(b) != want {
		t.Errorf("models: %s", b)
	}
	const status = `{"ready":true,"exporting":true,"published":"2026-03-01T12:00:00Z","ledger":{"consumed":25,"accepted":20,"rejected":{"syntax":3},"late":2,"duplicate":0},"partitions":[` +
		`{"topic":"p","partition":0,"consumed":25,"lag":3,"watermark":"2026-03-01T12:00:00Z","gap":0,"skipped_batches":0},{"topic":"p","partition":1,"consumed":0,"gap":0,"skipped_batches":0}],` +
		`"labels":[{"topic":"l","predictions_topic":"p","sampled":200,"elsewhere":150,"misplaced":true,"example":{"label_partition":1,"prediction_partition":2}},` +
		`{"topic":"clicks","predictions_topic":"shop","sampled":0,"elsewhere":0,"misplaced":false}]}` + "\n"
	if got := ask(handlerOf(picture()), "GET", "/api/v1/status").Body.String(); got != status {
		t.Errorf("status: %s", got)
	}
}

func TestStateIsShown(t *testing.T) {
	s := picture()
	s.State = &monitor.StateStatus{
		LastSave: noon, Interval: 30 * time.Second, Took: 250 * time.Millisecond, Held: 5 * time.Millisecond, Bytes: 4096,
		Saves: 12, Failures: 1, Resets: map[string]uint64{"damaged": 2, "reference": 0}, Error: "disk <full>",
	}
	if page := text(t, at(s, 7*time.Second), "/"); !strings.Contains(page, "failing The state is not saved : disk <full>") {
		t.Error(page)
	}
	if page := text(t, at(s, 7*time.Second), "/status"); !strings.Contains(page, "last save 7 s ago every 30 s took 250ms size 4 KiB saves 12 failed 1 begun anew: damaged 2") {
		t.Error(page)
	}
	const want = `"state":{"last_save":"2026-03-01T12:00:00Z","interval_seconds":30,"save_seconds":0.25,"held_seconds":0.005,"save_bytes":4096,"saves":12,"failures":1,"error":"disk \u003cfull\u003e","resets":{"damaged":2,"reference":0}}`
	if got := ask(handlerOf(s), "GET", "/api/v1/status").Body.String(); !strings.Contains(got, want) {
		t.Errorf("status: %s", got)
	}
	s = picture()
	s.State = &monitor.StateStatus{Interval: time.Minute}
	if page := text(t, at(s, 0), "/status"); !strings.Contains(page, "last save not yet every 1 min") {
		t.Errorf("before the first save:\n%s", page)
	}
	if got := ask(handlerOf(s), "GET", "/api/v1/status").Body.String(); !strings.Contains(got, `"state":{"interval_seconds":60,"saves":0,"failures":0,"resets":{}}`) {
		t.Errorf("before the first save: %s", got)
	}
	if page := text(t, at(picture(), 0), "/status"); !strings.Contains(page, "No state is kept") {
		t.Error("the page shows state where none is kept")
	}
}

// What is shown is of the newest snapshot, though bodies are shared.
func TestBodiesAreOfTheNewestSnapshot(t *testing.T) {
	board := &monitor.Board{}
	h := NewHandler(board, http.NotFoundHandler())
	for i, path := range []string{"/", "/api/v1/models", "/api/v1/status", "/api/v1/models/fraud/windows/5m"} {
		board.Publish(picture())
		first := ask(h, "GET", path).Body.String()
		if again := ask(h, "GET", path).Body.String(); again != first {
			t.Errorf("%s: another body of the same snapshot", path)
		}
		next := picture()
		next.Results[0].Events, next.Models[0].Accepted, next.Ledger.Accepted = 471, 471, 471
		board.Publish(next)
		if second := ask(h, "GET", path).Body.String(); !strings.Contains(second, "471") {
			t.Errorf("%d %s: %s", i, path, second)
		}
	}
}

// serve starts a server on a free port; the returned function ends it.
func serve(t *testing.T, h http.Handler, configFile string) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, h, Config{ConfigFile: configFile, Logger: slog.New(slog.DiscardHandler)})
	}()
	return l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestServeEndsWithRequestsUnderWay(t *testing.T) {
	started := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		time.Sleep(100 * time.Millisecond) // a slow answer is what this is about
		w.Write([]byte("done"))
	})
	address, stop := serve(t, h, "")
	body := make(chan string, 1)
	go func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := client.Get("http://" + address)
		if err != nil {
			body <- err.Error()
			return
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		body <- string(b)
	}()
	<-started
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := <-body; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
}

func TestUsersOfTheWebConfig(t *testing.T) {
	const hash = "$2a$04$Ng1huJTMEDPgknZF316dteuGNM.K/xr7lCDIKP7W7A4NbnDZE/anK" // bcrypt's of "secret"
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte("basic_auth_users:\n  ops: "+hash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address, stop := serve(t, handlerOf(picture()), file)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for password, want := range map[string]int{"secret": 200, "wrong": 401, "": 401} {
		q, _ := http.NewRequest("GET", "http://"+address+"/-/healthy", nil)
		q.SetBasicAuth("ops", password)
		r, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("password %q: %s", password, r.Status)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestBrokenWebConfig(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(broken, []byte("basic_auth_users:\n  ops: plain text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, ok := range map[string]bool{"": true, broken: false, broken + ".not": false} {
		if err := Check(file); (err == nil) != ok {
			t.Errorf("%s: %v", file, err)
		}
	}
	_, stop := serve(t, handlerOf(nil), filepath.Join(t.TempDir(), "absent.yml"))
	if err := stop(); err == nil || !strings.Contains(err.Error(), "absent.yml") {
		t.Errorf("got %v", err)
	}
}
