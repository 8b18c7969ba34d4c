package faults

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
	"github.com/streammon/streammon/internal/testkafka"
)

// extremes are what each feature is given, in turns. All are numeric but c.
var extremes = []struct {
	feature string
	values  []string
}{
	{"c", []string{"9007199254740993", "1e308", `"NaN"`, `"Infinity"`, "-0", "0.5", "1e309", "9" + strings.Repeat("0", 309)}},
	{"huge", []string{"1e308", "1e308", "1e308", "1e308", "1e308", "1e308", "1e308", "1e308", "1e308", "1e308", "-1e308", "0", "1"}},
	{"integers", []string{"9007199254740993", "-9007199254740993", "18446744073709551616", "123456789012345678901234567890", "9223372036854775807"}},
	{"largest", []string{"1.7976931348623157e308"}},
	{"opposite", []string{"1.7976931348623157e308", "-1.7976931348623157e308"}},
	{"rare", []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "1e308"}},
	{"strings", []string{`"NaN"`, `"Infinity"`, `"-Infinity"`, `"1e308"`, "1e309", "-1e999", "[]", "{}", "7"}},
	{"tiny", []string{"5e-324", "-5e-324", "-0", "0", "1e-310", "2.2250738585072014e-308", "-0.0", "1e-400"}},
	{"prediction.score", []string{"1e308", "-1e308", "0.5", `"NaN"`, "5e-324", "1e309"}},
}

var (
	extremeLatencies = []string{"1e308", "5e-324", "-1", `"NaN"`, "0", "-0", "12", "1e309", "-1e308"}
	extremeStatuses  = []string{"200", "200", "200", "1e308", "200", "5e-324", "-1", `"Infinity"`, "1e309", `"NaN"`}
)

// extreme is message i for a model.
func extreme(i int, name string, at time.Time) []byte {
	turn := func(values []string) string { return values[i%len(values)] }
	score, features := "", []string{}
	for _, f := range extremes {
		if f.feature == event.PredictionScore {
			score = turn(f.values)
		} else {
			features = append(features, fmt.Sprintf("%q:%s", f.feature, turn(f.values)))
		}
	}
	return fmt.Appendf(nil, `{"time":%d,"model":%q,"version":"1","latency_ms":%s,"status":%s,"prediction":{"score":%s,"label":"yes"},"features":{%s}}`,
		at.UnixMilli(), name, turn(extremeLatencies), turn(extremeStatuses), score, strings.Join(features, ","))
}

// bareTokens are no JSON, though some writers make them.
var bareTokens = []string{"NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "0x10", "1_000", "01", "inf"}

// extremeModels have the same features, and references of usual and of extreme values, or none.
var extremeModels = []string{"bare", "extreme", "usual"}

func extremeConfig(t *testing.T, b testkafka.Broker, topic string) (config string) {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, "kafka: {brokers: [%q], group: %s, start: earliest}\nwindows: [1m, 5m]\nmodels:\n", b.Bootstrap[0], topic)
	for _, name := range extremeModels {
		fmt.Fprintf(&text, "  - name: %s\n    topics: {predictions: %s}\n    task: binary\n    positive: \"yes\"\n    drift: {min_samples: 20}\n", name, topic)
		if name != "bare" {
			fmt.Fprintf(&text, "    reference: %s.profile.json\n", name)
		}
		text.WriteString("    features:\n")
		for _, f := range extremes {
			kind := "numeric"
			if f.feature == "c" {
				kind = "categorical"
			}
			if f.feature != event.PredictionScore {
				fmt.Fprintf(&text, "      %s: %s\n", f.feature, kind)
			}
		}
	}
	config = filepath.Join(dir, "extreme.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range extremeModels[1:] {
		var rows []byte
		for i := range 1000 {
			row := extreme(i, name, time.Date(2026, 6, 1, 11, 0, 0, 0, time.UTC))
			if name == "usual" {
				row = fmt.Appendf(nil, `{"prediction":{"score":0.%d,"label":"yes"},"features":{"c":"%d","huge":%d,"integers":%d,"largest":%d,"opposite":%d,"rare":%d,"strings":%[1]d,"tiny":%[1]d}}`,
					i%10, i%3, i, i*7%11, i%100, i%5, 1+i%10)
			}
			rows = append(append(rows, row...), '\n')
		}
		input := filepath.Join(dir, name+".jsonl")
		if err := os.WriteFile(input, rows, 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, nil, "profile", "build", "--config.file="+config, "--model="+name, "--input="+input, "--output="+filepath.Join(dir, name+".profile.json"))
		if err := p.wait(t, 20*time.Second); err != nil {
			t.Fatalf("the reference of %s: %v\n%s", name, err, p.log)
		}
	}
	return config
}

// TestExtremeValues gives features, latencies, scores and statuses all that a number may be, and what
// is none. No sample of a metric, no figure of a page becomes NaN or infinite, and what the windows
// count is what the naive program does.
func TestExtremeValues(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	client := b.Client(t)
	setup := oracle.Setup{Pane: 10 * time.Second, Lateness: 30 * time.Second, MaxFuture: time.Minute, Windows: []oracle.Span{{Name: "1m", Length: time.Minute}, {Name: "5m", Length: 5 * time.Minute}}}
	for _, name := range extremeModels {
		m := oracle.Model{Name: name, Features: []oracle.Feature{{Name: event.PredictionLabel, Categorical: true}}}
		for _, f := range extremes {
			m.Features = append(m.Features, oracle.Feature{Name: f.feature, Categorical: f.feature == "c"})
		}
		setup.Models = append(setup.Models, m)
	}
	var lane []oracle.Message
	send := func(value []byte, at time.Time) {
		lane = append(lane, oracle.Message{Value: value, RecordTime: at.UnixNano()})
		client.Produce(t.Context(), &kgo.Record{Topic: topic, Value: value, Timestamp: at}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for i := range 6_000 {
		at = at.Add(100 * time.Millisecond)
		name := extremeModels[i%3]
		send(extreme(i/3, name, at), at)
		if i%10 == 0 {
			send(fmt.Appendf(nil, `{"time":%d,"model":%q,"features":{"huge":%s}}`, at.UnixMilli(), name, bareTokens[i/10%len(bareTokens)]), at)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := extremeConfig(t, b, topic)
	p := run(t, nil, "--config.file="+config)
	await(t, 20*time.Second, "end of the reading", func() bool { return consumed(p) == float64(len(lane)) })
	var page string
	await(t, 20*time.Second, "full windows", func() bool {
		_, page = p.get("/metrics")
		events, _ := metricOf(page, "streammon_window_events", `segment="",version="1",window="5m"`)
		return events > 2_400
	})
	samples := finiteSamples(t, page)
	for _, metric := range []string{"feature_mean", "feature_max", "feature_quantile", "feature_distinct", "drift_psi", "drift_wasserstein_normalized", "latency_seconds"} {
		if _, ok := metricOf(page, "streammon_"+metric, ""); !ok {
			t.Errorf("there is no streammon_%s", metric)
		}
	}
	if mean, ok := metricOf(page, "streammon_feature_mean", `feature="largest",model="bare",segment="",version="1",window="1m"`); !ok || mean != math.MaxFloat64 {
		t.Errorf("the mean of the largest number alone is %g", mean)
	}
	for _, path := range []string{"/", "/api/v1/models", "/api/v1/status", "/api/v1/models/usual/windows/1m", "/api/v1/models/extreme/windows/5m"} {
		status, body := p.get(path)
		if status != 200 || path != "/" && !json.Valid([]byte(body)) || strings.Contains(body, "NaN") || strings.Contains(body, "Inf") {
			t.Errorf("%s: %d %.2000s", path, status, body)
		}
	}
	p.terminate(t)
	noPanic(t, p)

	results := filepath.Join(filepath.Dir(config), "results.jsonl")
	if err := run(t, nil, "--config.file="+config, "--until-end", "--results="+results).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	want := oracle.Run(setup, [][]oracle.Message{lane})
	compareWindows(t, want.Windows, results)
	if got, line := lastLine(t, results), string(monitor.AppendLedgerJSON(nil, &want.Ledger)); got != line || want.Ledger.Rejected[event.Syntax] != 600 {
		t.Errorf("the ledger is\n%s\nthe oracle's\n%s", got, line)
	}
	t.Logf("%d messages; %d samples, all finite; %d windows as those of the naive program; %s", len(lane), samples, len(want.Windows), lastLine(t, results))
}

// finiteSamples returns how many samples of the product's own metrics a page has, and fails for each
// that is NaN or infinite.
func finiteSamples(t *testing.T, page string) (n int) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("the page cannot be parsed: %v", err)
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "streammon_") {
			continue
		}
		for _, m := range f.GetMetric() {
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			if m.Gauge == nil && m.Counter == nil {
				t.Errorf("%s is a %s", name, f.GetType())
			}
			if math.IsNaN(value) || math.IsInf(value, 0) {
				t.Errorf("%s %v is %v", name, m.GetLabel(), value)
			}
			n++
		}
	}
	return n
}
