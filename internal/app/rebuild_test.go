package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shows is what the monitor shows of a model, by series and window.
func (k *kept) shows(model string) map[string]string {
	out := map[string]string{}
	for _, g := range k.groups {
		results, _ := g.Show(keptNow)
		for _, r := range results {
			if r.Model == model {
				out[r.Version+" "+r.Segment+" "+r.Window] = string(r.AppendJSON(nil))
			}
		}
	}
	return out
}

const keptModelC = `  - {name: c, topics: {predictions: q}, features: {x: numeric}}
`

// TestReloadRebuilds: models, window lengths and references come and go, and the windows of what stays are, byte for byte, those of a monitor
// that nobody touched: final and shown, with a state and without. So are the accounts.
func TestReloadRebuilds(t *testing.T) {
	plain := newKept(t, "", keptConfig(""))
	plain.feedBoth(600)
	text := keptConfig("")
	learns := strings.Replace(text, "{amount: numeric}}", "{amount: numeric}, reference: {learn: 1m}}", 1)
	for _, c := range []struct {
		name     string
		model    string // that is compared
		between  string // the config from 200 to 400
		rebuilds bool
		windows  string // the lengths that are compared
	}{
		{"a model on the same topics goes and comes", "a", strings.Replace(text, keptModelB(), "", 1), true, "1m 5m"},
		{"a model on other topics comes and goes", "a", text + keptModelC, true, "1m 5m"},
		{"models change places", "b", strings.Replace(text, keptModelB(), keptModelC+keptModelB(), 1), true, "1m 5m"},
		{"a window length comes and goes", "b", strings.Replace(text, "[1m, 5m]", "[1m, 5m, 10m]", 1), true, "1m 5m"},
		{"a window length goes and comes", "b", strings.Replace(text, "[1m, 5m]", "[5m]", 1), true, "5m"},
		{"a reference is learned", "a", learns, true, "1m 5m"},
		{"a reference comes and goes", "a", strings.Replace(text, "{amount: numeric}}", "{amount: numeric}, reference: testdata/state/a.profile.json}", 1), false, "1m 5m"},
		{"a feature, a segmentation and a figure come and go", "a", strings.Replace(text, "features: {amount: numeric}}", "features: {amount: numeric, other: categorical}, segments: [plan], kpis: {all: count()}}", 1), true, "1m 5m"},
		{"more is let in", "b", strings.Replace(text, "deduplicate: 1m", "deduplicate: 1m\nallowed_lateness: 40s\nlimits: {depth: 20}", 1), true, "1m 5m"},
	} {
		for _, dir := range []string{t.TempDir(), ""} {
			t.Run(fmt.Sprintf("%s, state %v", c.name, dir != ""), func(t *testing.T) {
				k := newKept(t, dir, text)
				k.config = parseConfig(t, text)
				for i, until := range []int{200, 400, 600} {
					if i > 0 {
						before := k.groups[0]
						k.reloads([]string{c.between, text}[i-1])
						if err := k.reload(); err != nil {
							t.Fatal(err)
						}
						if (before != k.groups[0]) != c.rebuilds {
							t.Errorf("groups were made anew: %v", before != k.groups[0])
						}
						if k.keeper != nil && i == 1 { // a save between goes on from what was handed over
							k.keeper.save()
						}
					}
					k.feedBoth(until)
				}
				compareKept(t, plain, k, c.model, c.windows)
				if dir == "" {
					return
				}
				k.keeper.save()
				if e := k.keeper.snapshot().Error; e != "" {
					t.Fatal(e)
				}
				_ = k.keeper.close()
				again := newKept(t, dir, text)
				defer again.keeper.close()
				if diff := cmp.Diff(k.shows(c.model), again.shows(c.model)); diff != "" {
					t.Errorf("after a restart other windows are shown:\n%s", diff)
				}
				if r := again.keeper.snapshot().Resets; c.rebuilds && r[resetDamaged]+r[resetPane]+r[resetReference] > 0 {
					t.Errorf("after a restart something begins anew: %v", r)
				}
			})
		}
	}
}

// compareKept compares the windows of some lengths of a model, and its accounts.
func compareKept(t *testing.T, want, got *kept, model, windows string) {
	t.Helper()
	of := func(all map[string]string) map[string]string {
		some := map[string]string{}
		for name, line := range all {
			if slices.Contains(strings.Fields(windows), name[strings.LastIndex(name, " ")+1:]) {
				some[name] = line
			}
		}
		return some
	}
	final, shown := of(want.windowsOf(model)), of(want.shows(model))
	if len(final) < 20 || len(shown) < 1 {
		t.Fatalf("there are only %d final windows, %d shown", len(final), len(shown))
	}
	if diff := cmp.Diff(final, of(got.windowsOf(model))); diff != "" {
		t.Errorf("other final windows:\n%s", diff)
	}
	if diff := cmp.Diff(shown, of(got.shows(model))); diff != "" {
		t.Errorf("other windows are shown:\n%s", diff)
	}
	_, models := want.groups[0].Show(keptNow)
	_, now := got.groups[0].Show(keptNow)
	for i := range models {
		if w, g := models[i], now[i]; w.Model == model && (w.Accepted != g.Accepted || w.Late != g.Late || w.Duplicate != g.Duplicate || fmt.Sprint(w.Labels) != fmt.Sprint(g.Labels)) {
			t.Errorf("%s accounts for %+v, want %+v", model, g, w)
		}
	}
	for i, p := range want.sorted() { // of a model that is not there messages are rejected, and no less counted
		q := got.sorted()[i]
		if w, g := p.status(nil), q.status(nil); w.Consumed != g.Consumed || p.intake.Offsets() != q.intake.Offsets() {
			t.Errorf("%v counts %d messages, %+v; want %d, %+v", p.key, g.Consumed, q.intake.Offsets(), w.Consumed, p.intake.Offsets())
		}
	}
}

// TestReloadKeepsWhatItCannotSave: while the state cannot be saved, a config that changes what is kept is refused, and nothing is
// lost.
func TestReloadKeepsWhatItCannotSave(t *testing.T) {
	dir := t.TempDir()
	k := newKept(t, dir, keptConfig(""))
	k.config = parseConfig(t, keptConfig(""))
	k.feedBoth(200)
	if err := k.keeper.close(); err != nil { // what it writes to is gone
		t.Fatal(err)
	}
	want := k.says()
	k.reloads(keptConfig("") + keptModelC)
	if err := k.reload(); err == nil || !strings.Contains(err.Error(), "the state cannot be saved") {
		t.Errorf("the reload says %v", err)
	}
	if got := k.says(); got != want {
		t.Errorf("it says\n%s\nbefore\n%s", got, want)
	}
	if s := k.configuration(); s.Failures != 1 || s.Error == "" {
		t.Errorf("the status is %+v", s)
	}
	if _, err := os.Stat(filepath.Join(dir, "streammon.state")); err != nil {
		t.Error(err)
	}
}
