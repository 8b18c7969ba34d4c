package pipeline

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// labelIntake takes rows with their labels, which wait.
func labelIntake(t testing.TB, rows ...string) *Intake {
	t.Helper()
	m := plainGroup()
	m.Schema.Answers = event.Answers{Items: true, Truth: true}
	g := NewGroup(m, decode.Options{Mapping: decode.Mapping{LabelTime: "label_time"}}, nil, 0, true)
	g.Grow(1)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return in
	}
	in.Arrive(Arrival{})
	for i, r := range rows {
		in.Take([]Message{{Value: []byte(r)}}, int64(i+1))
	}
	return in
}

// waiting are the labels that wait, in order, as text.
func (in *Intake) waiting() (labels []string) {
	for l := in.labels.next(1<<63 - 1); l != nil; l = in.labels.next(1<<63 - 1) {
		l.event(&in.label)
		ev := &in.label
		t := &ev.Truth
		text := fmt.Sprintf("%v %s %d: %v %q %v %g %d", ev.Kind, ev.ID, ev.Time/1e9, t.HasText, t.Text, t.HasNumber, t.Number, t.ItemsState)
		for _, i := range t.Items {
			text += fmt.Sprintf(" %s=%g", i.Name, i.Relevance)
		}
		labels = append(labels, text)
	}
	return labels
}

// restoreIntake reads what an intake wrote into a new one.
func restoreIntake(t testing.TB, data []byte) (*Intake, error) {
	t.Helper()
	var p PartState
	d := sketch.NewDecoder(data)
	p.read(d)
	if err := d.Err(); err != nil {
		return nil, err
	}
	in := labelIntake(t)
	return in, in.Restore(p)
}

var goldenRows = []string{
	`{"id":"1","time":"2026-11-22T12:00:00Z","label":"a","label_time":"2026-11-22T14:00:00Z"}`,
	`{"id":"2","time":"2026-11-22T12:00:01Z","label":0.5,"label_time":"2026-11-22T13:00:00Z"}`,
	`{"id":"3","time":"2026-11-22T12:00:02Z","label":{"items":{"x":1,"y":2.5}},"label_time":"2026-11-22T13:30:00Z"}`,
	`{"id":"4","time":"2026-11-22T12:00:03Z","label":{},"label_time":"2026-11-22T13:00:00Z"}`,
	`{"id":"5","time":"2026-11-22T12:00:03Z","label":{"items":"x"},"label_time":"2026-11-22T15:00:00Z"}`,
}

// TestWaitingLabelsSayWhatTheySaid, also when they were saved.
func TestWaitingLabelsSayWhatTheySaid(t *testing.T) {
	want := []string{
		`label 2 1795352400: false "" true 0.5 0`, `label 4 1795352400: false "" false 0 0`,
		`label 3 1795354200: false "" false 0 2 x=1 y=2.5`,
		`label 1 1795356000: true "a" false 0 0`, `label 5 1795359600: false "" false 0 1`,
	}
	in := labelIntake(t, goldenRows...)
	saved := in.appendBinary(nil)
	if diff := cmp.Diff(want, in.waiting()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, err := restoreIntake(t, saved)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again.waiting()); diff != "" {
		t.Errorf("restored (-want +got)\n%s", diff)
	}
}

// TestGoldenIntakes reads the forms of all versions; the newest is what is written.
func TestGoldenIntakes(t *testing.T) {
	in := labelIntake(t, goldenRows...)
	for version := byte(1); version <= intakeVersion; version++ {
		path := filepath.Join("testdata", fmt.Sprintf("intake-%d.golden", version))
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && *update && version == intakeVersion {
			data = in.appendBinary(nil)
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := restoreIntake(t, data)
		if err != nil {
			t.Fatal(version, err)
		}
		if version == intakeVersion && (!bytes.Equal(in.appendBinary(nil), data) || !bytes.Equal(again.appendBinary(nil), data)) {
			t.Error("the form is not the golden one")
		}
		if version == 1 {
			want := []string{
				`label 2 1795352400: false "" false 0 0`, `label 4 1795352400: false "" false 0 0`,
				`label 3 1795354200: false "" false 0 0`, `label 1 1795356000: false "" false 0 0`,
			}
			if diff := cmp.Diff(want, again.waiting()); diff != "" {
				t.Errorf("version 1 (-want +got)\n%s", diff)
			}
		}
	}
	if _, err := restoreIntake(t, []byte{intakeVersion + 1}); err == nil {
		t.Error("a form to come is read")
	}
}

// TestTruthRoundTrip writes and reads what labels say; what is cut is an error.
func TestTruthRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want event.Truth
		if want.HasText = rapid.Bool().Draw(t, "text"); want.HasText {
			want.Text = []byte(rapid.String().Draw(t, "text"))
		}
		if want.HasNumber = rapid.Bool().Draw(t, "number"); want.HasNumber {
			want.Number = rapid.Float64().Draw(t, "number")
		}
		want.ItemsState = rapid.SampledFrom([]event.State{event.Missing, event.Invalid, event.Valid}).Draw(t, "state")
		for i := 0; want.ItemsState == event.Valid && i < rapid.IntRange(0, 4).Draw(t, "items"); i++ {
			want.Items = append(want.Items, event.Item{Name: []byte(rapid.String().Draw(t, "name")), Relevance: rapid.Float64Min(0).Draw(t, "relevance")})
		}
		b := appendTruth([]byte("before"), &want)[len("before"):]
		got := event.Truth{Text: []byte("old"), Number: 1, Items: []event.Item{{Relevance: 7}}}
		d := sketch.NewDecoder(b)
		readTruth(d, &got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || d.Err() != nil || checkTruth(string(b)) != nil {
			t.Fatalf("%v (-want +got)\n%s", d.Err(), diff)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); checkTruth(string(b[:cut])) == nil {
			t.Fatalf("%x is read without its end %x", b[:cut], b[cut:])
		}
		if checkTruth(string(b)+"x") == nil {
			t.Fatal("more than a label is read")
		}
	})
}

// FuzzIntakes: foreign bytes give an intake or an error.
func FuzzIntakes(f *testing.F) {
	for version := byte(1); version <= intakeVersion; version++ {
		data, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("intake-%d.golden", version)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := restoreIntake(t, data)
		if err != nil {
			return
		}
		again, err := restoreIntake(t, in.appendBinary(nil))
		if err != nil {
			t.Fatalf("%x is written as what cannot be read: %v", data, err)
		}
		if a, b := in.waiting(), again.waiting(); !slices.Equal(a, b) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}
