package app

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/state"
)

// kept is a monitor with state and results, that is fed by hand.
type kept struct {
	*runner
	t   *testing.T
	out bytes.Buffer
}

func newKept(t *testing.T, dir, text string) *kept {
	t.Helper()
	return newKeptLanes(t, dir, text, 2, nil)
}

// newKeptLanes writes results to a file, or if it is nil to k.out.
func newKeptLanes(t *testing.T, dir, text string, lanes int, file ResultsFile) *kept {
	t.Helper()
	k := &kept{t: t}
	models, err := buildGroups(parseConfig(t, text))
	if err != nil {
		t.Fatal(err)
	}
	k.runner = &runner{logger: testLogger(t), live: true, models: models, memory: newMemoryGuard(testLogger(t)), topics: map[string]*topic{}, partitions: map[partitionKey]*partition{}, known: map[string]int{}}
	if k.consumer, err = consumer.New(consumer.Config{Brokers: []string{"localhost:1"}, Topics: []consumer.Topic{{Name: "p"}}}, k.runner); err != nil {
		t.Fatal(err)
	}
	k.results = &resultWriter{w: &k.out}
	if file != nil {
		k.results.w = file
	}
	k.sink = pipeline.NewSequencer(len(models), k.results.result)
	if dir != "" { // else nothing is kept
		if k.keeper, err = openKeeper(dir, time.Hour, "test", k.logger); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.begin(models); err != nil {
		t.Fatal(err)
	}
	for _, g := range k.groups {
		g.Grow(lanes)
	}
	return k
}

var keptNow = time.Date(2026, 6, 1, 13, 0, 0, 0, time.UTC)

// feed gives the lane's events number from to before, and a label for each, of which every fifth is for another prediction.
func (k *kept) feed(lane, from, to int) {
	k.t.Helper()
	for kind, name := range []string{"p", "l"} {
		p, err := k.partition(name, lane)
		if err != nil {
			k.t.Fatal(err)
		}
		p.intake.Arrive(pipeline.Arrival{Log: [16]byte{1}, First: int64(from)})
		for i := from; i < to; i++ {
			at := keptNow.Add(time.Duration(i-600) * time.Second)
			text := fmt.Sprintf(`{"type":"label","id":"e%d-%d","time":%d,"model":"%s","label":"%s"}`,
				lane, i+i%5/4*1000, at.Unix()+20, "ab"[i%2:i%2+1], []string{"yes", "no", "no"}[i%3])
			if event.Kind(kind) == event.Prediction {
				text = fmt.Sprintf(`{"id":"e%d-%d","time":%d,"model":"%s","version":"%d","latency_ms":%d,"features":{"amount":%d.5,"country":"%s"},"prediction":{"score":0.%d,"label":"yes"}}`,
					lane, i-i%50/49, at.Unix(), "ab"[i%2:i%2+1], 1+i/400, i%90, i*i%1000, []string{"DE", "FR", "XX", ""}[i%4], i%10)
			}
			if i%97 == 0 {
				text = text[1:]
			}
			p.intake.Take([]pipeline.Message{{Value: []byte(text)}}, int64(i+1))
		}
		deliver := p.lane.Deliver
		if event.Kind(kind) == event.Label {
			deliver = p.lane.DeliverLabels
		}
		if err := deliver(pipeline.Progress{Records: to - from, CaughtUp: true, Now: keptNow}); err != nil {
			k.t.Fatal(err)
		}
	}
}

// says is what the monitor shows, has written and has counted.
func (k *kept) says() string {
	var b []byte
	for _, g := range k.groups {
		results, _ := g.Show(keptNow)
		for _, r := range results {
			b = append(r.AppendJSON(b), '\n')
		}
	}
	for _, p := range k.sorted() {
		b = fmt.Appendf(b, "%s/%d %+v %+v\n", p.key.topic, p.key.index, p.intake.Offsets(), p.intake.Ledger())
	}
	return k.out.String() + "shown:\n" + string(b)
}

// keptConfig is the config of goldenState.
func keptConfig(more string) string {
	return `kafka: {brokers: ["localhost:1"]}
windows: [1m, 5m]
deduplicate: 1m
models:
  - {name: a, topics: {predictions: p, labels: l}, task: binary, positive: "yes", reference: testdata/state/a.profile.json, features: {amount: numeric, country: categorical}, segments: [country],
     changes: [error_ratio, positive_ratio, {figure: mean, feature: prediction.score}, {figure: missing_ratio, feature: prediction.label, detectors: [ddm, hddm_a, hddm_w]}]}
  - {name: b, topics: {predictions: p, labels: l}, task: binary, positive: "yes", features: {amount: numeric}}
` + more
}

// TestGoldenState goes on from the states that all versions have written, of each format one.
// The files stay as they are for ever; UPDATE_GOLDEN=1 makes that of a new format.
func TestGoldenState(t *testing.T) {
	current := filepath.Join("testdata", "state", fmt.Sprintf("format-%d", state.Format))
	if _, err := os.Stat(current); errors.Is(err, os.ErrNotExist) && os.Getenv("UPDATE_GOLDEN") != "" {
		makeGoldenState(t, current)
	}
	dirs, err := filepath.Glob(filepath.Join("testdata", "state", "format-*"))
	if err != nil || !slices.Contains(dirs, current) {
		t.Fatal("no golden state of this format: ", err)
	}
	fresh := newKept(t, t.TempDir(), keptConfig(""))
	fresh.feedAll()
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			copied := t.TempDir()
			if err := os.WriteFile(filepath.Join(copied, "streammon.state"), gunzipped(t, filepath.Join(dir, "streammon.state.gz")), 0o600); err != nil {
				t.Fatal(err)
			}
			k := newKept(t, copied, keptConfig(""))
			k.feed(0, 450, 600)
			k.feed(1, 430, 600)
			got, want := k.says(), fresh.says()
			if format := filepath.Base(dir); format == "format-1" { // it had no held states
				got, want = heldStates.ReplaceAllString(got, ""), heldStates.ReplaceAllString(want, "")
			}
			old := slices.Contains([]string{"format-1", "format-2", "format-3"}, filepath.Base(dir))
			if old { // nor the one after it detectors, nor the next answers
				got, want = later.ReplaceAllString(labelled.ReplaceAllString(got, ""), ""), later.ReplaceAllString(labelled.ReplaceAllString(want, ""), "")
			}
			if !old && strings.Count(got, `"matched_ratio"`) < 10 {
				t.Error("there are no performance figures")
			}
			if !strings.HasSuffix(want, got) || k.out.Len() == 0 || k.out.Len() == fresh.out.Len() {
				t.Errorf("it goes on with\n%s\nwant\n%s", got, want)
			}
			if err := k.keeper.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// later are the detectors and the figures of answers, which depend on panes in the past, up to the end of the line.
var later = regexp.MustCompile(`(,"(changes|performance)":.*|})\n`)

// labelled are windows of series that had labels, and no predictions.
var labelled = regexp.MustCompile(`.*"events":0,.*\n`)

// heldStates are what depends on looks in the past.
var heldStates = regexp.MustCompile(`"(state|since)":"[^"]*"`)

// feedAll gives all events, and saves twice.
func (k *kept) feedAll() {
	k.t.Helper()
	k.feed(0, 0, 400)
	k.feed(1, 0, 300)
	k.keeper.save()
	k.feed(0, 400, 450)
	k.feed(1, 300, 430)
	k.keeper.save()
	k.feed(0, 450, 600)
	k.feed(1, 430, 600)
}

func makeGoldenState(t *testing.T, dir string) {
	t.Helper()
	temp := t.TempDir()
	k := newKept(t, temp, keptConfig(""))
	k.feedAll()
	data, err := os.ReadFile(filepath.Join(temp, "streammon.state"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(data)
	if err := errors.Join(err, z.Close(), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "streammon.state.gz"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func gunzipped(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	data, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestConfigChanges: what a change does not touch is kept, what it does begins anew, and
// that is counted.
func TestConfigChanges(t *testing.T) {
	dir := t.TempDir()
	k := newKept(t, dir, keptConfig(""))
	k.feed(0, 0, 500)
	k.feed(1, 0, 500)
	k.keeper.save()
	before := k.says()
	_ = k.keeper.close()
	data, err := os.ReadFile(filepath.Join(dir, "streammon.state"))
	if err != nil {
		t.Fatal(err)
	}
	const task, regression = `task: binary, positive: "yes", features: {amount: numeric}}`, `task: regression, features: {amount: numeric}}`
	for _, c := range []struct {
		name, old, new string
		resets         map[string]uint64
		check          func(t *testing.T, results []*monitor.Result)
	}{
		{"a task less", task, "features: {amount: numeric}}", nil, answered("a", true, "b", false)},
		{"another task", task, regression, map[string]uint64{resetReference: 1}, answered("a", true, "b", false)},
		{"another positive class", task, `task: binary, positive: "no", features: {amount: numeric}}`, map[string]uint64{resetReference: 1}, answered("a", true, "b", false)},
		{"a shorter timeout", task, "labels: {timeout: 10s}, " + task, nil, answered("a", true, "b", true)},
		{"a segment more", task, "segments: [country], " + task, nil, answered("a", true, "b", true)},
		{"nothing", "", "", nil, answered("a", true, "b", true)},
		{"a new feature", "features: {amount: numeric}}", "features: {amount: numeric, extra: numeric}}", nil, nil},
		{"a feature less", "{amount: numeric, country: categorical}", "{country: categorical}", nil, nil},
		{"a model less", keptModelB(), "", nil, nil},
		{"another pane", "deduplicate: 1m", "pane: 5s", map[string]uint64{resetPane: 1}, func(t *testing.T, results []*monitor.Result) {
			if len(results) > 0 {
				t.Error("there are windows of panes of another length")
			}
		}},
		{"another type", "country: categorical", "country: numeric", map[string]uint64{resetReference: 1}, nil},
		{"another reference", "a.profile.json", "other.profile.json", map[string]uint64{resetReference: 2}, nil},
		{"a longer window", "windows: [1m, 5m]", "windows: [1m, 5m, 6h]", nil, func(t *testing.T, results []*monitor.Result) {
			for _, r := range results {
				if r.Window == "6h" && r.Complete {
					t.Error("a window that did not exist is complete")
				}
				if r.Window != "6h" && !r.Complete {
					t.Errorf("%s is not complete any more", r.Window)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(keptConfig(""), c.old, c.new, 1)
			if text == keptConfig("") && c.new != c.old {
				t.Fatal("the config is the same")
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "streammon.state"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			k := newKept(t, dir, text)
			defer k.keeper.close()
			for reason, n := range k.keeper.snapshot().Resets {
				if n != c.resets[reason] {
					t.Errorf("%d resets because of %s, want %d", n, reason, c.resets[reason])
				}
			}
			for _, g := range k.groups {
				for i := range g.Lanes() { // the lanes are read to their ends
					if err := g.Lane(i).Deliver(pipeline.Progress{CaughtUp: true, Now: keptNow}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.name == "nothing" && !strings.HasSuffix(before, k.says()) {
				t.Errorf("shows\n%s\nbefore\n%s", k.says(), before)
			}
			results, _ := k.groups[0].Show(keptNow)
			if len(results) == 0 && c.check == nil {
				t.Error("no windows were kept")
			}
			if c.check != nil {
				c.check(t, results)
			}
			want := consumer.Position{Offset: 500, TopicID: [16]byte{1}}
			if p, ok := k.position("p", 1); (c.resets[resetPane] == 0) != ok || ok && p != want {
				t.Errorf("goes on at %+v, %v", p, ok)
			}
			k.feed(0, 500, 600)
			k.feed(1, 500, 600)
			k.keeper.save()
			if e := k.keeper.snapshot().Error; e != "" {
				t.Error(e)
			}
		})
	}
}

// TestDamageThatCannotBeMoved: where the disk does not let a damaged state be moved aside, the windows begin anew all the same,
// nobody is told that it was moved, and the next save replaces it.
func TestDamageThatCannotBeMoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := newKeptLanes(t, dir, twoGroups, 1, nil)
	k.feedTopic("p", 300)
	k.feedTopic("q", 300)
	for range 2 { // slots
		k.keeper.save()
	}
	if err := k.keeper.close(); err != nil {
		t.Fatal(err)
	}
	damageGroup(t, dir, resultsName, 2)
	var log bytes.Buffer
	keeper, err := openKeeper(dir, time.Hour, "test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.close()
	models, err := buildGroups(parseConfig(t, twoGroups))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := dir + ".elsewhere"
	if err := errors.Join(os.Rename(dir, elsewhere), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	loaded, err := keeper.load(models, true)
	if err := errors.Join(err, os.Remove(dir), os.Rename(elsewhere, dir)); err != nil || len(loaded) > 0 {
		t.Fatalf("loaded %v, %v", loaded, err)
	}
	if s := log.String(); !strings.Contains(s, "cannot be moved aside") || strings.Contains(s, "was moved aside") || !keeper.forgotten() || keeper.status.Resets[resetDamaged] != 1 {
		t.Errorf("counted %d: %s", keeper.status.Resets[resetDamaged], s)
	}
	if err := keeper.store.Save([]state.Fresh{{Group: resultsName, State: slices.Clip[[]byte]}, {Group: "p", State: slices.Clip[[]byte]}}, keptNow); err != nil {
		t.Fatal(err)
	}
	loaded, errs, err := keeper.store.Load([]string{resultsName, "p", "q"})
	if err != nil || len(errs) > 0 || len(loaded) != 2 {
		t.Errorf("loaded %v, %v, %v", loaded, errs, err)
	}
}

// answered checks which models have figures from labels.
func answered(models ...any) func(t *testing.T, results []*monitor.Result) {
	return func(t *testing.T, results []*monitor.Result) {
		for i := 0; i < len(models); i += 2 {
			has := slices.ContainsFunc(results, func(r *monitor.Result) bool {
				return r.Model == models[i] && r.Performance != nil && r.Performance.Matched > 0 && len(r.Performance.Figures) > 0
			})
			if has != models[i+1] {
				t.Errorf("%s has figures from labels: %v", models[i], has)
			}
		}
	}
}

// TestTaskLater: models that get a task have figures of the labels that come then.
func TestTaskLater(t *testing.T) {
	with := keptConfig("")
	changes := with[strings.Index(with, ", segments: [country],"):strings.Index(with, "]}\n  - {name: b")]
	without := strings.ReplaceAll(strings.Replace(with, changes, ", segments: [country", 1), `task: binary, positive: "yes", `, "")
	one := strings.Replace(with, `task: binary, positive: "yes", features: {amount: numeric}}`, "features: {amount: numeric}}", 1)
	for name, config := range map[string]string{"both": without, "one": one} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k := newKept(t, dir, config)
			k.feed(0, 0, 300)
			k.feed(1, 0, 250)
			k.keeper.save()
			_ = k.keeper.close()
			k = newKept(t, dir, with)
			defer k.keeper.close()
			k.feed(0, 300, 600)
			k.feed(1, 250, 600)
			results, _ := k.groups[0].Show(keptNow)
			answered("a", true, "b", true)(t, results)
			lines, last := 0, ""
			for line := range strings.Lines(k.out.String()) {
				end := line[strings.Index(line, `"end":`):]
				if end = end[:28]; end < last {
					t.Fatalf("%s comes after %s", end, last)
				}
				last = end
				lines += strings.Count(line, `"matched_ratio"`)
			}
			if lines == 0 {
				t.Error("no final results have figures from labels")
			}
			k.keeper.save()
			if s := k.keeper.snapshot(); s.Error != "" || s.Resets[resetReference]+s.Resets[resetDamaged] > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func keptModelB() string {
	text := keptConfig("")
	return text[strings.Index(text, "  - {name: b"):]
}
