package faults

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// bombConfig has a well-behaved model, and one for each bomb. The models share a topic, windows
// and the budget of series, of which those that are bombed want more than there is.
const bombConfig = `kafka: {brokers: ["%s"], group: %s, start: earliest}
windows: [5m]
max_series: %d
models:
  - name: good
    topics: {predictions: %[2]s}
    reference: good.profile.json
    task: binary
    positive: "yes"
    features: {amount: numeric, merchant: categorical}
    segments: {country: [DE, FR]}
  - name: categories
    topics: {predictions: %[2]s}
    reference: categories.profile.json
    features: {c: categorical, n: numeric}
  - name: versions
    topics: {predictions: %[2]s}
    features: {c: categorical, n: numeric}
    segments: {country: [%[4]s]}
  - name: segments
    topics: {predictions: %[2]s}
    features: {c: categorical, n: numeric}
    segments: {country: [%[4]s]}
  - name: features
    topics: {predictions: %[2]s}
    features: {f7: numeric}
`

const (
	bombSeries   = 1500
	bombSegments = 16 // of the values get series of their own
	// busyVersions is as many as all partitions tell apart, none of them the same.
	busyVersions = 8 * partitions
)

// bombs are the messages of all models, in the order of their event times.
type bombs struct {
	good int // messages of the well-behaved model
	// What there is of distinct categories, model names, versions, segment values and feature names.
	categories, models, versions, segments, features int
}

func bombsOf(t *testing.T) bombs {
	b := bombs{good: 20_000, categories: 10_000_000, models: 1_000_000, versions: 1_000_000, segments: 100_000, features: 1_000_000}
	scale := 100
	switch {
	case long:
		return b
	case ci:
		scale = 10
	case testing.Short():
		t.Skip("takes some seconds")
	}
	return bombs{b.good, b.categories / scale, b.models / scale, b.versions / scale, b.segments / scale, b.features / scale}
}

// namesPerMessage is how many feature names that no model has an event brings.
const namesPerMessage = 100

// bombSpan is how much event time the messages take.
const bombSpan = 10 * time.Minute

// end is the event time of the last messages.
func (bombs) end() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// messages calls send with all messages; with quiet, with those of the well-behaved model only,
// which are the same, in the same partitions.
func (b bombs) messages(quiet bool, send func(partition int, message []byte)) {
	for i := range b.good + partitions { // the last of them end all partitions at one time
		ms := b.end().Add(bombSpan / time.Duration(b.good) * time.Duration(min(i, b.good)-b.good)).UnixMilli()
		if i < b.good && !quiet {
			b.explode(i, ms, send)
		}
		send(i%partitions, fmt.Appendf(nil, `{"time":%d,"model":"good","version":"1","latency_ms":%d,"prediction":{"score":%.3f,"label":"yes"},"segments":{"country":"%s"},"features":{"amount":%d,"merchant":"m%d"}}`,
			ms, 1+i%70, float64(i%997)/997, []string{"DE", "FR", "US"}[i%3], i*7919%10_007, i*i%23))
	}
}

// explode sends the part of the bombs that comes before message i of the well-behaved model.
func (b bombs) explode(i int, ms int64, send func(partition int, message []byte)) {
	each := func(n int, message func(k int) []byte) {
		for k := i * n / b.good; k < (i+1)*n/b.good; k++ {
			send(k%partitions, message(k))
		}
	}
	each(b.categories, func(k int) []byte {
		return fmt.Appendf(nil, `{"time":%d,"model":"categories","features":{"c":"category-%d","n":%d}}`, ms, k, k)
	})
	each(b.models, func(k int) []byte {
		return fmt.Appendf(nil, `{"time":%d,"model":"model-%d","features":{"n":1}}`, ms, k)
	})
	each(2*b.versions, func(k int) []byte {
		version := k
		if !b.distinct(k) {
			version %= busyVersions
		}
		return fmt.Appendf(nil, `{"time":%d,"model":"versions","version":"version-%d","segments":{"country":"s%d"},"features":{"c":"%0250d","n":%d}}`,
			ms, version, k/7%bombSegments, k, k)
	})
	each(2*b.segments, func(k int) []byte {
		segment := k
		if !b.distinct(k) {
			segment %= bombSegments
		}
		return fmt.Appendf(nil, `{"time":%d,"model":"segments","segments":{"country":"s%d"},"features":{"c":"%d","n":%d}}`, ms, segment, k, k)
	})
	each(b.features/namesPerMessage, func(k int) []byte {
		m := fmt.Appendf(nil, `{"time":%d,"model":"features","features":{`, ms)
		for f := range namesPerMessage {
			m = fmt.Appendf(m, `"f%d":1,`, k*namesPerMessage+f)
		}
		return append(m[:len(m)-1], "}}"...)
	})
}

// distinct reports whether message k of a bomb brings a version or segment value that no other
// has. The rest, which comes first, has a few that stay.
func (bombs) distinct(k int) bool { return k/busyVersions%2 == 1 }

// folded is how many of n messages are distinct.
func (b bombs) folded(n int) (sum float64) {
	for k := range n {
		if b.distinct(k) {
			sum++
		}
	}
	return sum
}

// bombStage has the config and what it names in a folder of its own.
func bombStage(t *testing.T, b testkafka.Broker, topic string) (config string) {
	t.Helper()
	dir := t.TempDir()
	values := make([]string, bombSegments)
	for i := range values {
		values[i] = fmt.Sprintf("s%d", i)
	}
	config = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(bombConfig, b.Bootstrap[0], topic, bombSeries, strings.Join(values, ", "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var good, categories bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&good, `{"prediction":{"score":%.3f,"label":"yes"},"features":{"amount":%d,"merchant":"m%d"}}`+"\n", float64(i)/1000, i*10, i%20)
		fmt.Fprintf(&categories, `{"features":{"c":"usual-%d","n":%d}}`+"\n", i%20, i)
	}
	for model, rows := range map[string][]byte{"good": good.Bytes(), "categories": categories.Bytes()} {
		input := filepath.Join(dir, model+".jsonl")
		if err := os.WriteFile(input, rows, 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, nil, "profile", "build", "--config.file="+config, "--model="+model, "--input="+input, "--output="+filepath.Join(dir, model+".profile.json"))
		if err := p.wait(t, 20*time.Second); err != nil {
			t.Fatalf("the reference of %s: %v\n%s", model, err, p.log)
		}
	}
	return config
}

// fill writes the messages to a topic and returns their number.
func (b bombs) fill(t *testing.T, client *kgo.Client, topic string, quiet bool) (written int) {
	b.messages(quiet, func(partition int, message []byte) {
		written++
		client.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(partition), Value: message}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	})
	if err := client.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	return written
}

// linesOf returns the sorted lines of a page that hold a text.
func linesOf(page, text string) (lines []string) {
	for line := range strings.Lines(page) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

// without returns the lines of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(line string) bool { return slices.Contains(b, line) })
}

// resident returns the most memory that the process ever had, in bytes, with the pages of files.
func (p *program) resident(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			n, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return n * 1024
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// reading is what a program said of a topic that it has read.
type reading struct {
	page     string   // /metrics at the end
	good     []string // its lines on the well-behaved model
	results  []string // and the final results
	resident float64
	log      string
	slowest  time.Duration // scrape
	most     int           // series of ours in a scrape
	scrapes  int
	took     time.Duration
}

// read runs the program over a topic until its newest windows hold all of it.
func (b bombs) read(t *testing.T, broker testkafka.Broker, topic string) (r reading) {
	t.Helper()
	config := bombStage(t, broker, topic)
	file := filepath.Join(filepath.Dir(config), "results.jsonl")
	began := time.Now()
	p := run(t, nil, "--config.file="+config, "--results="+file)
	await(t, 10*time.Second, "page", func() bool {
		status, _ := p.get("/-/healthy")
		return status == http.StatusOK || p.ended()
	})
	end := float64(b.end().Add(-30 * time.Second).Truncate(10 * time.Second).Unix())
	await(t, 5*time.Minute, "end of the reading", func() bool {
		r.scrape(t, p)
		at, _ := metricOf(r.page, "streammon_window_end_timestamp_seconds", `model="good",segment="",`)
		return at == end
	})
	r.took, r.resident = time.Since(began), p.resident(t)
	p.terminate(t)
	r.log = p.log.String()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.good, r.results = linesOf(r.page, `model="good"`), linesOf(string(text), `"model":"good"`)
	return r
}

func (r *reading) scrape(t *testing.T, p *program) {
	t.Helper()
	began := time.Now()
	status, body := p.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	r.page, r.slowest = body, max(r.slowest, time.Since(began))
	r.most = max(r.most, strings.Count(body, "\nstreammon_"))
	r.scrapes++
}

// TestCardinality throws distinct categories, model names, versions, segment values and feature names at
// the program by the million. Its memory stays within the budget that it prints, its series within
// theirs, a scrape takes less than a second, and what it says of a well-behaved model is what it
// says without the bombs. All that lost its name is counted, by reason.
func TestCardinality(t *testing.T) {
	b := bombsOf(t)
	_, broker := testkafka.Fake(t)
	client := broker.Client(t, kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	bombed, control := broker.CreateTopic(t, partitions, nil), broker.CreateTopic(t, partitions, nil)
	written := b.fill(t, client, bombed, false)
	b.fill(t, client, control, true)

	calm, r := b.read(t, broker, control), b.read(t, broker, bombed)
	budget, _ := metricOf(r.page, "streammon_memory_budget_bytes", "")
	t.Logf("%d messages in %s: %.0f MiB resident at most (%.0f without the bombs), of a budget of %.0f; %d series at most; the slowest of %d scrapes took %s",
		written, r.took.Round(100*time.Millisecond), r.resident/(1<<20), calm.resident/(1<<20), budget/(1<<20), r.most, r.scrapes, r.slowest)
	if printed := fmt.Sprintf("memory_budget=\"%d MiB\"", int(budget)>>20); !strings.Contains(r.log, printed) {
		t.Errorf("it does not print %s", printed)
	}
	if r.resident > budget {
		t.Errorf("it takes %.0f bytes of memory, the budget is %.0f", r.resident, budget)
	}
	if r.most > bombSeries {
		t.Errorf("%d series, want %d at most", r.most, bombSeries)
	}
	if r.slowest >= time.Second {
		t.Errorf("a scrape took %s", r.slowest)
	}
	if len(calm.good) < 400 || !slices.Equal(calm.good, r.good) {
		t.Errorf("of the well-behaved model it says\n%sand without the bombs\n%s", without(r.good, calm.good), without(calm.good, r.good))
	}
	if len(calm.results) < 200 || !slices.Equal(calm.results, r.results) {
		changed, missed := without(r.results, calm.results), without(calm.results, r.results)
		t.Errorf("the bombs change %d of %d results of the well-behaved model:\n%.2000s\nwithout them\n%.2000s", len(changed), len(calm.results), strings.Join(changed[:min(len(changed), 1)], ""), strings.Join(missed[:min(len(missed), 1)], ""))
	}
	b.counted(t, r.page, written)
}

// counted holds what lost its name against the counts by reason.
func (b bombs) counted(t *testing.T, page string, written int) {
	t.Helper()
	named := b.features/namesPerMessage*namesPerMessage - 1 // one of them is the model's
	for _, c := range []struct {
		metric, labels string
		want           float64
	}{
		{"streammon_consumed_messages_total", "", float64(written)},
		{"streammon_rejected_messages_total", `reason="model"`, float64(b.models)},
		{"streammon_rejected_messages_total", "", float64(b.models)},
		{"streammon_accepted_events_total", "", float64(written - b.models)},
		{"streammon_folded_values_total", `model="versions",reason="version_limit"`, b.folded(2 * b.versions)},
		{"streammon_folded_values_total", `model="segments",reason="segment_unlisted"`, b.folded(2 * b.segments)},
		{"streammon_folded_values_total", `model="features",reason="feature_unlisted"`, float64(named)},
		{"streammon_feature_unseen_ratio", `feature="c",model="categories"`, 1},
	} {
		if n, ok := metricOf(page, c.metric, c.labels); !ok || n != c.want {
			t.Errorf("%s{%s} is %v, want %v", c.metric, c.labels, n, c.want)
		}
	}
	if n, _ := metricOf(page, "streammon_series_dropped_total", `reason="model_share"`); n == 0 {
		t.Error("no series was dropped: the budget is not put to the test")
	}
	// The standard error of the number of distinct values is 1.6 %.
	all, _ := metricOf(page, "streammon_window_events", `model="categories"`)
	if n, _ := metricOf(page, "streammon_feature_distinct", `feature="c",model="categories"`); all == 0 || math.Abs(n-all) > 5*0.016*all {
		t.Errorf("%v distinct categories are counted of %v", n, all)
	}
}
