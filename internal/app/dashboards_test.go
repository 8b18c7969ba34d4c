package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/generate"
)

// Of the run of the demo: how often it is scraped, in its own time and in ours.
const (
	playStep    = 10 * time.Second
	playBefore  = 2 * time.Minute // scraped before the scenario begins
	playLength  = 13 * time.Minute
	playRate    = 15 // transactions a second
	scrapeEvery = 200 * time.Millisecond
	// playAhead is how far ahead of ours the false clock ends. Prometheus takes samples of the next ten minutes, and shows those of
	// the last five: what it says itself of its scrapes may come from now until that much after the end.
	playAhead = 4 * time.Minute
)

// TestDashboardsShowTheDemo has a real Prometheus scrape the demo through its whole scenario, and asks it every query of
// every dashboard, as Grafana would. A quarter of an hour passes in half a minute: the clock of the monitor is a false one, and
// the samples carry its times.
func TestDashboardsShowTheDemo(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes half a minute, and minutes with the race detector")
	}
	binary := os.Getenv("STREAMMON_PROMETHEUS")
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("prometheus"); err != nil {
			t.Skip("needs prometheus in PATH or STREAMMON_PROMETHEUS")
		}
	}
	end := time.Now().Add(playAhead)
	var scrapes [][]byte
	began := time.Now()
	synctest.Test(t, func(t *testing.T) { scrapes = playScrapes(t, end) })
	t.Logf("%d scrapes were made in %.1f s", len(scrapes), time.Since(began).Seconds())
	began = time.Now()
	p := startPrometheus(t, binary, scrapes)
	t.Logf("they were scraped in %.1f s", time.Since(began).Seconds())
	p.to = time.Now()
	if p.to.Before(end) {
		p.to = end
	}
	p.from = end.Add(-playLength - playBefore)
	for _, step := range demo.Scenarios()[0].Steps { // all of it was scraped
		compare, over := ">=", "max_over_time"
		if step.Sign.Falling {
			compare, over = "<=", "last_over_time"
		}
		expr := fmt.Sprintf("%s(%s[%ds]) %s %g", over, step.Sign.Selector(), int((playLength + playBefore).Seconds()), compare, step.Sign.Level)
		if len(p.ask(t, expr, true)) != 1 {
			t.Errorf("%s: there is no %s", step.Name, expr)
		}
	}
	files, err := generate.Dashboards(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		p.check(t, f)
	}
}

// playScrapes runs the program's own handling of messages, and what it publishes and saves, without a broker, until a time
// of its clock, and returns what scrapes got, stamped with their times.
func playScrapes(t *testing.T, end time.Time) (scrapes [][]byte) {
	live := end.Add(-playLength)
	at := live.Add(-demoHistory)
	time.Sleep(time.Until(at)) // from the year 2000, in which clocks begin here
	dir := t.TempDir()
	c, err := demoConfig(t.Context(), "localhost:9092", dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	c.State.Dir, c.State.SaveInterval = filepath.Join(dir, "state"), time.Minute
	models, err := buildGroups(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := newRunner(ctx, c, models, RunOptions{
		Logger: testLogger(t), Build: Build{Version: "test"}, Load: func() (*config.Config, error) { return c, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.memory.close()
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		read := make(chan struct{})
		close(read)
		r.keeper.run(ctx, read)
	}()
	r.memory.setBudget(r.budget().Budget)
	r.board.MayExport = nil // there is no group that it could be a member of
	for _, topic := range demo.Topics() {
		r.onPartitions(topic, demo.Partitions)
	}
	world, scenario, log := demo.NewWorld(5), demo.Scenarios()[0], map[partitionKey]*consumer.Batch{}
	for ; !at.After(end); at = at.Add(playStep) {
		for n := range int(playStep.Seconds() * playRate) {
			event := at.Add(-playStep + time.Duration(n)*time.Second/playRate)
			world.Step(event, scenario.Effects(event.Sub(live)), func(m demo.Record) { appendRecord(log, m) })
		}
		time.Sleep(time.Until(at))
		playBatches(t, ctx, r, log)
		if at.Before(live.Add(-playBefore)) {
			continue
		}
		r.publish(time.Now())
		s := *r.board.Load()
		s.Exporting = true
		r.board.Publish(&s)
		w := httptest.NewRecorder()
		r.exporter.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		scrapes = append(scrapes, stamped(w.Body.Bytes(), at))
	}
	cancel()
	<-saved
	return scrapes
}

func appendRecord(log map[partitionKey]*consumer.Batch, m demo.Record) {
	h := fnv.New32a()
	h.Write([]byte(m.Key))
	k := partitionKey{m.Topic, int(h.Sum32() % demo.Partitions)}
	b := log[k]
	if b == nil {
		b = &consumer.Batch{Topic: k.topic, Partition: k.index, CaughtUp: true}
		log[k] = b
	}
	b.Records = append(b.Records, consumer.Record{Offset: b.Next, Timestamp: m.Time.UnixMilli(), Key: []byte(m.Key), Value: m.Value})
	b.Next++
}

// playBatches hands over what was written of all partitions.
func playBatches(t *testing.T, ctx context.Context, r *runner, log map[partitionKey]*consumer.Batch) {
	t.Helper()
	for _, topic := range demo.Topics() {
		for i := range demo.Partitions {
			b := log[partitionKey{topic, i}]
			if b == nil {
				continue
			}
			b.End, b.HighWatermark = b.Next, b.Next
			if err := r.HandleBatch(ctx, b); err != nil {
				t.Fatal(err)
			}
			b.First, b.Records = b.Next, nil
		}
	}
}

// stamped gives each sample of an exposition a time.
func stamped(text []byte, at time.Time) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 && line[0] != '#' {
			line = strconv.AppendInt(append(slices.Clip(line), ' '), at.UnixMilli(), 10)
		}
		b.Write(append(slices.Clip(line), '\n'))
	}
	return b.Bytes()
}

// askedServer is a Prometheus that has scraped everything from a time to another.
type askedServer struct {
	address  string
	from, to time.Time
}

// startPrometheus has a Prometheus scrape everything in turn, and then ends to be scraped.
func startPrometheus(t *testing.T, binary string, scrapes [][]byte) *askedServer {
	t.Helper()
	var next atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Write(scrapes[min(int(next.Add(1)), len(scrapes))-1]) // the last again and again
	}))
	t.Cleanup(target.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs: [{job_name: streammon, scrape_interval: %s, scrape_timeout: %s, static_configs: [{targets: [%q]}]}]\n",
		scrapeEvery, scrapeEvery, strings.TrimPrefix(target.URL, "http://"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	s := &askedServer{address: l.Addr().String()}
	l.Close()
	var log bytes.Buffer
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address, "--log.level=warn")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); int(next.Load()) <= len(scrapes)+1; time.Sleep(scrapeEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("Prometheus has scraped %d times of %d:\n%s", next.Load(), len(scrapes), log.String())
		}
	}
	return s
}

// get asks the API, and decodes data.
func (s *askedServer) get(t *testing.T, path string, query url.Values, data any) {
	t.Helper()
	response, err := http.PostForm("http://"+s.address+path, query)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s %s: %v %s", path, query.Encode(), err, answer.Error)
	}
}

// askedSeries is a series of a query's answer.
type askedSeries struct {
	Metric map[string]string
	Value  [2]any
	Values [][2]any
}

// ask returns the series of a query that have a value.
func (s *askedServer) ask(t *testing.T, expr string, instant bool) []askedSeries {
	t.Helper()
	var data struct{ Result []askedSeries }
	to := strconv.FormatInt(s.to.Unix(), 10)
	if instant {
		s.get(t, "/api/v1/query", url.Values{"query": {expr}, "time": {to}}, &data)
	} else {
		s.get(t, "/api/v1/query_range", url.Values{"query": {expr}, "start": {strconv.FormatInt(s.from.Unix(), 10)}, "end": {to}, "step": {"10"}}, &data)
	}
	known := func(v [2]any) bool {
		x, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
		return err == nil && !math.IsNaN(x)
	}
	return slices.DeleteFunc(data.Result, func(x askedSeries) bool {
		return !known(x.Value) && !slices.ContainsFunc(x.Values, known)
	})
}

// shownBoard is what Grafana reads of a dashboard.
type shownBoard struct {
	Panels []struct {
		Title, Type, Repeat string
		Targets             []struct {
			Expr, RefID string
			Instant     bool
		}
	}
	Annotations struct{ List []struct{ Name, Expr string } }
	Templating  struct{ List []shownVariable }
}

type shownVariable struct {
	Name, Type, Regex, AllValue string
	Multi                       bool
	IncludeAll                  bool
	Query                       any
}

// check asks every query of a dashboard, with all values of the variables that stand for one. Each panel must have something for
// some of them, and never more than 200 series; which have nothing for any is told.
func (s *askedServer) check(t *testing.T, f generate.File) {
	t.Helper()
	var b shownBoard
	if err := json.Unmarshal(f.Data, &b); err != nil {
		t.Fatal(err)
	}
	began, empty, most := time.Now(), map[string]bool{}, map[string]int{}
	for _, chosen := range s.choices(t, b.Templating.List, []map[string]string{{}}) {
		repeat := ""
		for _, p := range b.Panels {
			if p.Type == "row" {
				repeat = p.Repeat
				continue
			}
			n := 0
			for _, q := range p.Targets {
				series := s.ask(t, interpolate(q.Expr, b.Templating.List, s.one(t, b.Templating.List, chosen, repeat, p.Repeat)), q.Instant)
				n += len(series)
				name := p.Title + " " + q.RefID
				if was, ok := empty[name]; len(series) > 0 || !ok {
					empty[name] = len(series) == 0 && (was || !ok)
				}
			}
			most[p.Title] = max(most[p.Title], n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(empty)) {
		if empty[name] {
			t.Errorf("%s: %s is empty", f.Name, name)
		}
	}
	for title, n := range most {
		if n > 200 {
			t.Errorf("%s: %s has %d series", f.Name, title, n)
		}
	}
	t.Logf("%s: %d queries in %.1f s; most series of a panel: %d", f.Name, len(empty), time.Since(began).Seconds(), slices.Max(slices.Collect(maps.Values(most))))
	for _, a := range b.Annotations.List {
		for _, chosen := range s.choices(t, b.Templating.List, []map[string]string{{}})[:1] {
			s.ask(t, interpolate(a.Expr, b.Templating.List, chosen), false) // or it is no query
		}
	}
}

// choices returns the combinations of values of the variables: all that have no All and are not multiple, one by one.
func (s *askedServer) choices(t *testing.T, variables []shownVariable, chosen []map[string]string) []map[string]string {
	t.Helper()
	for i := range variables {
		v := &variables[i]
		var next []map[string]string
		for _, c := range chosen {
			values := []string{v.AllValue}
			switch {
			case v.Type == "datasource":
				values = []string{"prometheus"}
			case v.Type == "textbox":
				values = []string{v.Query.(string)}
			case !v.IncludeAll:
				if values = s.values(t, v, variables, c); len(values) == 0 {
					t.Fatalf("the variable %s has no value", v.Name)
				}
			}
			for _, value := range values {
				n := maps.Clone(c)
				n[v.Name] = value
				next = append(next, n)
			}
		}
		chosen = next
	}
	return chosen
}

// one replaces the variables that something is repeated for by their first value.
func (s *askedServer) one(t *testing.T, variables []shownVariable, chosen map[string]string, repeats ...string) map[string]string {
	t.Helper()
	for _, name := range repeats {
		i := slices.IndexFunc(variables, func(v shownVariable) bool { return v.Name == name })
		if i < 0 {
			continue
		}
		if values := s.values(t, &variables[i], variables, chosen); len(values) > 0 {
			chosen = maps.Clone(chosen)
			chosen[name] = regexp.QuoteMeta(values[0])
		}
	}
	return chosen
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// values returns those that a variable has.
func (s *askedServer) values(t *testing.T, v *shownVariable, variables []shownVariable, chosen map[string]string) []string {
	t.Helper()
	text := v.Query.(map[string]any)["query"].(string)
	found := map[string]bool{}
	if m := labelValues.FindStringSubmatch(text); m != nil {
		var series []map[string]string
		s.get(t, "/api/v1/series", url.Values{"match[]": {interpolate(m[1], variables, chosen)}, "start": {strconv.FormatInt(s.from.Unix(), 10)}, "end": {strconv.FormatInt(s.to.Unix(), 10)}}, &series)
		for _, x := range series {
			if x[m[2]] != "" {
				found[x[m[2]]] = true
			}
		}
		return slices.Sorted(maps.Keys(found))
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "query_result("), ")")
	for _, x := range s.ask(t, interpolate(inner, variables, chosen), true) {
		var labels []string
		for name, value := range x.Metric {
			labels = append(labels, name+`="`+value+`"`) // Grafana escapes nothing
		}
		line := "{" + strings.Join(labels, ",") + "} 1 1"
		m := regexp.MustCompile(strings.Trim(v.Regex, "/")).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("the variable %s does not know %s", v.Name, line)
		}
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// interpolate puts the values in the places of variables, as Grafana does.
func interpolate(expr string, variables []shownVariable, chosen map[string]string) string {
	pairs := []string{"$__range", strconv.Itoa(int((playLength + playBefore).Seconds())) + "s", "$__rate_interval", "1m", "$__interval", "10s"}
	names := slices.SortedFunc(maps.Keys(chosen), func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		pairs = append(pairs, "$"+name, chosen[name])
	}
	return strings.NewReplacer(pairs...).Replace(expr)
}
