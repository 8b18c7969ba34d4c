package app

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
)

// windowsOf reads the results of a monitor: lines by series and window.
func (k *kept) windowsOf(model string) map[string]string {
	k.t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(k.out.String()) {
		var r monitor.Result
		var names struct {
			Model, Version, Segment, Window string
			Start, End                      time.Time
		}
		if err := json.Unmarshal([]byte(line), &names); err != nil {
			k.t.Fatal(err)
		}
		r.Start, r.End = names.Start, names.End
		if names.Model == model {
			out[r.Start.Format(time.TimeOnly)+" "+r.End.Format(time.TimeOnly)+" "+names.Version+" "+names.Segment+" "+names.Window] = line
		}
	}
	return out
}

// reloads makes what the monitor reads again be text.
func (k *kept) reloads(text string) {
	k.load = func() (*config.Config, error) { return config.Parse("test.yaml", []byte(text)) }
}

func otherReference() string {
	return strings.Replace(keptConfig(""), "a.profile.json", "other.profile.json", 1)
}

// TestReloadReference: after another reference is put in force, windows that begin then are those of a monitor that had it
// from the beginning, windows that had ended those of one that never got it, and windows in between have drift figures of
// the newer panes alone. All of it survives a restart.
func TestReloadReference(t *testing.T) {
	before, after := newKept(t, t.TempDir(), keptConfig("")), newKept(t, t.TempDir(), otherReference())
	before.feedBoth(600)
	after.feedBoth(600)
	dir := t.TempDir()
	k := newKept(t, dir, keptConfig(""))
	k.config = parseConfig(t, keptConfig(""))
	k.feedBoth(250)
	k.reloads(otherReference())
	if err := k.reload(); err != nil {
		t.Fatal(err)
	}
	if err := k.reload(); err != nil { // nothing new
		t.Fatal(err)
	}
	_, models := k.groups[0].Show(keptNow)
	_, want := after.groups[0].Show(keptNow)
	if got := models[0].References; len(got) != 1 || got[0] != want[0].References[0] {
		t.Errorf("in force is %v, want %v", got, want[0].References)
	}
	k.feedBoth(420)
	k.keeper.save()
	if e := k.keeper.snapshot().Error; e != "" {
		t.Fatal(e)
	}
	k.feedBoth(600)
	since := keptNow.Add(-350 * time.Second)
	old, fresh, mixed := 0, 0, 0
	never, always := before.windowsOf("a"), after.windowsOf("a")
	for name, line := range k.windowsOf("a") {
		var r monitor.Result
		if err := json.Unmarshal([]byte(line[:strings.Index(line, `,"service"`)]+"}"), &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case !r.End.After(since):
			old++
			if line != never[name] {
				t.Fatalf("%s is\n%swant\n%s", name, line, never[name])
			}
		case !r.Start.Before(since):
			fresh++
			if line != always[name] {
				t.Fatalf("%s is\n%swant\n%s", name, line, always[name])
			}
		case strings.Contains(line, `"unmatched":`):
			mixed++
		case r.Version == "1" && r.Segment == "":
			t.Fatalf("%s has no unmatched values:\n%s", name, line)
		}
	}
	if old == 0 || fresh == 0 || mixed == 0 {
		t.Errorf("%d windows before, %d after, %d in between", old, fresh, mixed)
	}
	out := k.out.String()
	_ = k.keeper.close()
	again := newKept(t, dir, otherReference())
	defer again.keeper.close()
	if n := again.keeper.snapshot().Resets[resetReference]; n == 0 {
		t.Error("panes of the old reference are not counted as forgotten")
	}
	again.feedBoth(600)
	for name, line := range again.windowsOf("a") {
		if strings.HasPrefix(name, since.Format(time.TimeOnly)) && !strings.Contains(out, line) {
			t.Fatalf("after a restart %s is\n%s", name, line)
		}
	}
}

// TestReloadVerdicts: how drift is judged changes at once.
func TestReloadVerdicts(t *testing.T) {
	k := newKept(t, t.TempDir(), keptConfig(""))
	defer k.keeper.close()
	k.config = parseConfig(t, keptConfig(""))
	k.feedBoth(300)
	states := func() (judged, statistics int) {
		results, _ := k.groups[0].Show(keptNow)
		for _, r := range results {
			judged += r.Judged
			for _, f := range r.Features {
				statistics = max(statistics, len(f.Drift))
			}
		}
		return judged, statistics
	}
	if judged, statistics := states(); judged == 0 || statistics < 5 {
		t.Fatalf("%d are judged by %d statistics", judged, statistics)
	}
	k.reloads(strings.Replace(keptConfig(""), "features: {amount: numeric, country", "drift: {statistics: [psi, ks], min_samples: 100000}, features: {amount: numeric, country", 1))
	if err := k.reload(); err != nil {
		t.Fatal(err)
	}
	if judged, statistics := states(); judged > 0 || statistics != 2 {
		t.Errorf("after the reload %d are judged by %d statistics", judged, statistics)
	}
}

// TestReloadRefuses: what takes a restart, and what cannot be read, leaves all as it was, and is said.
func TestReloadRefuses(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKept(t, t.TempDir(), keptConfig(""))
	defer k.keeper.close()
	k.config = parseConfig(t, keptConfig(""))
	k.feedBoth(300)
	want := k.says()
	for _, c := range []struct{ name, old, new, says string }{
		{"a broker", "localhost:1", "localhost:2", "kafka changed, which takes a restart"},
		{"two things", "windows: [1m, 5m]", "windows: [1m]\npane: 5s\nmax_series: 7", "pane, max_series changed, which takes a restart"},
		{"a model without a profile", keptModelB(), "  - {name: c, topics: {predictions: q}, reference: nowhere.json, features: {amount: numeric}}\n", "nowhere.json"},
		{"no config", "windows", "widows", `unknown key`},
		{"no profile", "testdata/state/a.profile.json", "nowhere.json", "nowhere.json"},
		{"a broken profile", "testdata/state/a.profile.json", broken, "broken.json"},
	} {
		k.reloads(strings.Replace(keptConfig(""), c.old, c.new, 1))
		err := k.reload()
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if s := k.configuration(); err != nil && s.Error != err.Error() || !s.Loaded.IsZero() {
			t.Errorf("%s: the status is %+v", c.name, s)
		}
		if got := k.says(); got != want {
			t.Fatalf("%s: it says\n%s\nbefore\n%s", c.name, got, want)
		}
	}
	k.load = func() (*config.Config, error) { return nil, errors.New("gone") }
	if err := k.reload(); err == nil {
		t.Error("reloaded nothing")
	}
	k.reloads(keptConfig(""))
	if err := k.reload(); err != nil || k.configuration().Error != "" || k.configuration().Loaded.IsZero() {
		t.Errorf("the config as it was: %v, %+v", err, k.configuration())
	}
}

// TestReloadWhileLearning keeps what is being learned, and what was.
func TestReloadWhileLearning(t *testing.T) {
	plain := newKept(t, t.TempDir(), learningConfig())
	plain.feedBoth(600)
	k := newKept(t, t.TempDir(), learningConfig())
	defer k.keeper.close()
	k.config = parseConfig(t, learningConfig())
	text := strings.Replace(learningConfig(), "features: {amount: numeric, country", "drift: {min_samples: 1000}, features: {amount: numeric, country", 1)
	for _, until := range []int{100, 400, 600} {
		k.feedBoth(until)
		k.reloads(text)
		if err := k.reload(); err != nil {
			t.Fatal(err)
		}
	}
	got, want := k.groups[0].References(), plain.groups[0].References()
	if len(got) != 2 || len(want) != 2 {
		t.Fatalf("%d references, want %d", len(got), len(want))
	}
	for i := range got {
		if string(got[i].Data) != string(want[i].Data) || got[i].Since != want[i].Since {
			t.Errorf("%s learned another reference, since %d, want %d", got[i].Model, got[i].Since, want[i].Since)
		}
	}
	if err := k.groups[0].Lane(0).Deliver(pipeline.Progress{CaughtUp: true, Now: keptNow}); err != nil {
		t.Fatal(err)
	}
}
