package app

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
	"github.com/streammon/streammon/internal/web"
)

// reportBytes is all that a report says.
func reportBytes(t *testing.T, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := errors.Join(r.WriteHTML(&b), r.WriteJSON(&b), r.WriteMarkdown(&b)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReportOfAState: it has the windows that were shown when the state was saved, and its account; reading it changes nothing, and
// gives the same again.
func TestReportOfAState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := newKept(t, dir, keptConfig(""))
	k.feedAll()
	k.keeper.save()
	var shown []*monitor.Result
	for _, g := range k.groups {
		results, _ := g.Show(keptNow)
		shown = append(shown, results...)
	}
	slices.SortStableFunc(shown, monitor.CompareSeries)
	ledger := k.ledger()
	if _, err := StateReport(t.Context(), parseConfig(t, keptConfig("state: {dir: "+dir+"}\n")), ""); err == nil {
		t.Error("a state is read that a monitor uses")
	}
	if err := k.keeper.close(); err != nil {
		t.Fatal(err)
	}
	file, _ := filepath.Glob(dir + "/*")
	before, err := os.ReadFile(file[0])
	if err != nil {
		t.Fatal(err)
	}
	c := parseConfig(t, keptConfig("state: {dir: "+dir+"}\n"))
	r, err := StateReport(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) < 5 || len(r.Results) != len(shown) {
		t.Fatalf("%d results, %d were shown", len(r.Results), len(shown))
	}
	for i, x := range shown {
		if want := string(x.AppendJSON(nil)); string(r.Results[i]) != want {
			t.Fatalf("result %d:\n%s\nwas shown as\n%s", i, r.Results[i], want)
		}
	}
	if want := string(monitor.AppendLedgerJSON(nil, &ledger)); !strings.HasPrefix(string(r.Ledger), want[:len(want)-1]) || !strings.Contains(string(r.Ledger), `"labels":{"a":`) {
		t.Errorf("ledger %s, want %s", r.Ledger, want)
	}
	again, err := StateReport(t.Context(), c, "")
	if err != nil || reportBytes(t, again) != reportBytes(t, r) {
		t.Errorf("read again it is another one, %v", err)
	}
	if after, err := os.ReadFile(file[0]); err != nil || !bytes.Equal(after, before) {
		t.Error("reading has changed the state", err)
	}
	if one, err := StateReport(t.Context(), c, "a"); err != nil || len(one.Models) != 1 || one.Models[0].Name != "a" || len(one.Results) >= len(shown) {
		t.Errorf("of one model: %v", err)
	}
	for what, f := range map[string]func() (*report.Report, error){
		"a model that is not there": func() (*report.Report, error) { return StateReport(t.Context(), c, "z") },
		"no state":                  func() (*report.Report, error) { return StateReport(t.Context(), parseConfig(t, keptConfig("")), "") },
		"an empty folder": func() (*report.Report, error) {
			return StateReport(t.Context(), parseConfig(t, keptConfig("state: {dir: "+t.TempDir()+"}\n")), "")
		},
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestReportOfAnInstance: what is fetched is what the instance would have written; errors tell no password.
func TestReportOfAnInstance(t *testing.T) {
	k := newKept(t, t.TempDir(), keptConfig(""))
	k.feedAll()
	s := &monitor.Snapshot{At: keptNow.UnixNano(), Ledger: k.ledger()}
	for _, g := range k.groups {
		results, models := g.Show(keptNow)
		s.Results, s.Models = append(s.Results, results...), append(s.Models, models...)
		s.History = monitor.JoinHistories(g.Histories()...)
	}
	if err := k.keeper.close(); err != nil {
		t.Fatal(err)
	}
	board := &monitor.Board{}
	board.Publish(s)
	server := httptest.NewServer(web.NewHandler(board, http.NotFoundHandler()))
	defer server.Close()
	got, err := FetchReport(t.Context(), server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := report.New(s, report.Options{Source: "a running monitor"}); reportBytes(t, got) != reportBytes(t, want) || len(got.Results) < 5 {
		t.Error("another report")
	}
	one, err := FetchReport(t.Context(), server.URL+"/", "a")
	if err != nil || len(one.Models) != 1 || one.Models[0].Name != "a" {
		t.Errorf("of one model: %v", err)
	}
	if _, err := FetchReport(t.Context(), server.URL, "nobody"); err == nil || !strings.Contains(err.Error(), "404 Not Found: no such model") {
		t.Errorf("of no model: %v", err)
	}
	with := strings.Replace(server.URL, "http://", "http://ann:secret@", 1)
	server.Close()
	for _, address := range []string{with, "http://ann:secret@[::1", "ftp://ann:secret@b", "localhost:9108", ""} {
		if _, err := FetchReport(t.Context(), address, ""); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestReportOfAReplay: equal files give equal bytes, and the same results as they do as lines.
func TestReportOfAReplay(t *testing.T) {
	dir := t.TempDir()
	var lines [2][]byte
	for i := range 1500 {
		lines[i%2] = append(append(lines[i%2], keptMessage(i%2, i)...), '\n')
	}
	inputs := []string{filepath.Join(dir, "0.jsonl"), filepath.Join(dir, "1.jsonl")}
	for i, name := range inputs {
		if err := os.WriteFile(name, lines[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var texts []string
	for range 2 {
		var made *report.Report
		newest := map[string]*monitor.Result{}
		_, err := Replay(t.Context(), parseConfig(t, keptConfig("")), ReplayOptions{Inputs: inputs, Topic: "p", Report: func(r *report.Report) { made = r }, Result: func(r *monitor.Result) {
			newest[r.Model+"\x00"+r.Version+"\x00"+r.Segment+"\x00"+r.Window] = r
		}})
		if err != nil {
			t.Fatal(err)
		}
		ends := map[string]time.Time{}
		for _, r := range newest {
			if k := r.Model + r.Window; r.End.After(ends[k]) {
				ends[k] = r.End
			}
		}
		want := 0
		for _, r := range newest {
			if r.End.Equal(ends[r.Model+r.Window]) {
				want++
			}
		}
		if len(made.Results) != want || want == 0 || len(made.Models) != 2 || len(made.Summary) == 0 {
			t.Errorf("%d results, want %d, of %d models", len(made.Results), want, len(made.Models))
		}
		texts = append(texts, reportBytes(t, made))
	}
	if texts[0] != texts[1] {
		t.Error("equal files give other bytes")
	}
}
