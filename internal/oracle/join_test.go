package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/event"
)

// fraudSetup has one binary model with panes of 10 s, 30 s of lateness and a timeout of 60 s.
func fraudSetup(windows ...time.Duration) Setup {
	s := smallSetup(windows...)
	s.Models[0].Task = &Task{Kind: Binary, Positive: "fraud", Timeout: time.Minute}
	return s
}

// asked is a prediction of a second after noon, and labelled a label.
func asked(seconds float64, id, rest string) string {
	return `{` + at(seconds) + `,"model":"m","id":"` + id + `"` + rest + `}`
}

func labelled(seconds float64, id, label string) string {
	return `{` + at(seconds) + `,"model":"m","type":"label","id":"` + id + `","label":` + label + `}`
}

// fates lists the outcomes by time: what happened, to the prediction of which second, when.
func fates(j *Joined) string {
	var out []string
	for _, o := range j.outcomes {
		seconds := func(t int64) float64 { return float64(t-noon.UnixNano()) / 1e9 }
		out = append(out, fmt.Sprint([]string{"matched", "duplicate", "conflict", "expired"}[o.fate], " ", seconds(o.prediction.time), "@", seconds(o.at)))
	}
	return strings.Join(out, ", ")
}

func TestJoinByHand(t *testing.T) {
	const fraud, legit = `"fraud"`, `"legit"`
	for _, c := range []struct {
		name  string
		lane  []string
		fates string
		want  Totals
	}{
		{"a pair", []string{asked(1, "a", ""), labelled(5, "a", fraud)}, "matched 1@5", Totals{Predictions: 1, Labels: 1, Matched: 1}},
		{"the label is first in the log", []string{labelled(5, "a", fraud), asked(1, "a", "")}, "matched 1@5", Totals{Predictions: 1, Labels: 1, Matched: 1}},
		{"as early as can be", []string{asked(31, "a", ""), labelled(1, "a", fraud)}, "matched 31@1",
			Totals{Predictions: 1, Labels: 1, Matched: 1, Early: 1}},
		{"at the same time is not early", []string{asked(1, "a", ""), labelled(1, "a", fraud)}, "matched 1@1", Totals{Predictions: 1, Labels: 1, Matched: 1}},
		{"too early", []string{asked(31.000000001, "a", ""), labelled(1, "a", fraud)}, "", Totals{Predictions: 1, Labels: 1, Unmatched: 1, Pending: 1}},
		{"at the timeout", []string{asked(1, "a", ""), labelled(61, "a", fraud)}, "matched 1@61", Totals{Predictions: 1, Labels: 1, Matched: 1}},
		{"after the timeout", []string{asked(1, "a", ""), labelled(61.000000001, "a", fraud)}, "expired 1@61",
			Totals{Predictions: 1, Labels: 1, Unmatched: 1, Expired: 1}},
		{"without a prediction", []string{asked(1, "a", ""), labelled(5, "b", fraud)}, "", Totals{Predictions: 1, Labels: 1, Unmatched: 1, Pending: 1}},
		{"without a label", []string{asked(1, "a", "")}, "", Totals{Predictions: 1, Pending: 1}},

		{"a duplicate", []string{asked(1, "a", ""), labelled(5, "a", fraud), labelled(15, "a", fraud)}, "matched 1@5, duplicate 1@15",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Duplicate: 1}},
		{"a conflict", []string{asked(1, "a", ""), labelled(5, "a", fraud), labelled(15, "a", legit)}, "matched 1@5, conflict 1@15",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Conflict: 1}},
		{"a conflict is with the first label", []string{asked(1, "a", ""), labelled(5, "a", fraud), labelled(15, "a", legit), labelled(25, "a", legit)},
			"matched 1@5, conflict 1@15, conflict 1@25", Totals{Predictions: 1, Labels: 3, Matched: 1, Conflict: 2}},
		{"one negative is as good as another", []string{asked(1, "a", ""), labelled(5, "a", legit), labelled(15, "a", `"fine"`)}, "matched 1@5, duplicate 1@15",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Duplicate: 1}},
		{"the earlier pane is first", []string{asked(1, "a", ""), labelled(15, "a", fraud), labelled(9, "a", legit)}, "matched 1@9, conflict 1@15",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Conflict: 1}},
		{"the first in a pane is first", []string{asked(1, "a", ""), labelled(9, "a", fraud), labelled(5, "a", legit)}, "conflict 1@5, matched 1@9",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Conflict: 1}},

		{"the first prediction by offset", []string{asked(2, "a", ""), asked(1, "a", ""), labelled(5, "a", fraud), labelled(6, "a", fraud)}, "matched 2@5, duplicate 2@6",
			Totals{Predictions: 2, Labels: 2, Matched: 1, Duplicate: 1, Pending: 1}},
		{"the first in range", []string{asked(1, "a", ""), asked(30, "a", ""), labelled(62, "a", fraud), labelled(50, "a", legit)}, "matched 1@50, matched 30@62",
			Totals{Predictions: 2, Labels: 2, Matched: 2}},
		{"the first is out of range", []string{asked(100, "a", ""), asked(75, "a", ""), labelled(69, "a", fraud)}, "matched 75@69",
			Totals{Predictions: 2, Labels: 1, Matched: 1, Early: 1, Pending: 1}},

		{"late labels", []string{asked(1, "a", ""), labelled(41, "b", fraud), labelled(9, "a", fraud)}, "", // the ledger's watermark is at 11
			Totals{Predictions: 1, Labels: 1, Unmatched: 1, Pending: 1}},
		{"labels that are not late yet", []string{asked(1, "a", ""), labelled(39, "b", fraud), labelled(9, "a", fraud)}, "matched 1@9",
			Totals{Predictions: 1, Labels: 2, Matched: 1, Unmatched: 1}},
		{"late predictions", []string{asked(41, "b", ""), asked(9, "a", ""), labelled(9, "a", fraud)}, "", Totals{Predictions: 1, Labels: 1, Unmatched: 1, Pending: 1}},
		{"rejected predictions", []string{asked(1, "a", `,"version":true`), labelled(9, "a", fraud)}, "", Totals{Labels: 1, Unmatched: 1}},
		{"requests that failed", []string{asked(1, "a", `,"status":500`), labelled(9, "a", fraud), labelled(300, "b", fraud)}, "", Totals{Labels: 2, Unmatched: 2}},
		{"predictions without an id", []string{`{` + at(1) + `}`, labelled(300, "b", fraud)}, "", Totals{Labels: 1, Unmatched: 1}},
		{"numbers as ids", []string{asked(1, "12", ""), strings.Replace(labelled(5, "x", fraud), `"x"`, "1.2e1", 1)}, "matched 1@5",
			Totals{Predictions: 1, Labels: 1, Matched: 1}},
		{"meaningless labels", []string{asked(1, "a", ""), labelled(5, "a", "0.5"), labelled(6, "a", `{"items":["fraud"]}`), labelled(7, "a", fraud)}, "matched 1@7",
			Totals{Predictions: 1, Labels: 1, Matched: 1, Unreadable: 2}},

		// The pane of the last label ends at 70.
		{"expired at the end", []string{asked(9.999, "a", ""), asked(10, "b", ""), labelled(61, "c", fraud)}, "expired 9.999@69.999",
			Totals{Predictions: 2, Labels: 1, Unmatched: 1, Expired: 1, Pending: 1}},
		{"expired long ago", []string{asked(1, "a", ""), labelled(1000, "b", fraud)}, "expired 1@61", Totals{Predictions: 1, Labels: 1, Unmatched: 1, Expired: 1}},
		{"a label without meaning is one nonetheless", []string{asked(1, "a", ""), labelled(1000, "b", "0.5")}, "expired 1@61",
			Totals{Predictions: 1, Unreadable: 1, Expired: 1}},
		{"predictions move no label's watermark", []string{asked(1, "a", ""), asked(1000, "b", "")}, "", Totals{Predictions: 2, Pending: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Join(fraudSetup(), [][]Message{messages(c.lane...)})
			if got := fates(j); got != c.fates {
				t.Errorf("%q, want %q", got, c.fates)
			}
			if diff := cmp.Diff([]Totals{c.want}, j.Models); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestJoinOfRepeats: a prediction that the ledger calls a duplicate takes no part, a label does.
func TestJoinOfRepeats(t *testing.T) {
	setup := fraudSetup()
	setup.Deduplicate = 10 * time.Second
	lanes := [][]Message{messages(asked(1, "a", ""), asked(11, "a", ""), asked(25, "a", ""),
		labelled(31, "a", `"fraud"`), labelled(32, "a", `"legit"`), labelled(65, "a", `"fraud"`), labelled(69, "a", `"fraud"`))}
	j := Join(setup, lanes)
	if got, want := fates(j), "matched 1@31, conflict 1@32, matched 25@65, duplicate 25@69"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// A label that is no accepted one does not move the frontier: the pane of the one before ends at 70.
	lanes = [][]Message{messages(asked(11, "b", ""), asked(12, "a", ""), labelled(65, "a", `"fraud"`), labelled(69, "a", `"fraud"`), labelled(72, "a", `"fraud"`))}
	j = Join(setup, lanes)
	if got, want := fates(j), "matched 12@65, duplicate 12@69"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if want := (Totals{Predictions: 2, Labels: 3, Matched: 1, Duplicate: 1, Waiting: 1, Pending: 1}); j.Models[0] != want {
		t.Errorf("%+v, want %+v", j.Models[0], want)
	}
}

// TestJoinIsOfALaneAndAModel has the same id in two lanes and of three models, the last without a task.
func TestJoinIsOfALaneAndAModel(t *testing.T) {
	setup := fraudSetup(time.Minute)
	for _, name := range []string{"n", "none"} {
		m := setup.Models[0]
		if m.Name = name; name == "none" {
			m.Task = nil
		}
		setup.Models = append(setup.Models, m)
	}
	of := func(model, text string) string { return strings.Replace(text, `"m"`, `"`+model+`"`, 1) }
	j := Join(setup, [][]Message{
		messages(asked(1, "a", ""), of("n", asked(2, "a", "")), of("none", asked(2, "a", "")), of("none", labelled(100, "a", `"fraud"`))),
		messages(asked(3, "a", ""), of("n", labelled(5, "a", `"fraud"`)), of("none", labelled(5, "a", `"fraud"`))),
	})
	// A label of a model without a task is one of the lane's labels.
	if got, want := fates(j), "expired 1@61, expired 2@62"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want := []Totals{{Predictions: 2, Expired: 1, Pending: 1}, {Predictions: 1, Labels: 1, Unmatched: 1, Expired: 1}, {}}
	if diff := cmp.Diff(want, j.Models); diff != "" {
		t.Error(diff)
	}
}

func TestPerformanceByHand(t *testing.T) {
	setup := fraudSetup(20 * time.Second)
	setup.Models[0].Segments = []Segment{{"country", []string{"DE"}}}
	const german = `,"version":"1","segments":{"country":"DE"},"prediction":{"label":"fraud","score":0.75}`
	const french = `,"version":"1","segments":{"country":"FR"},"prediction":{"label":"fraud","score":0.5}`
	j := Join(setup, [][]Message{
		messages(asked(7, "a", german), asked(1, "b", french), labelled(5, "a", `"fraud"`), labelled(15, "b", `"legit"`), labelled(16, "b", `"fraud"`),
			asked(62, "c", german), labelled(131, "x", `"fraud"`)),
		messages(labelled(17, "d", `"fraud"`), asked(9, "d", german), labelled(18, "d", `"fraud"`)),
	})
	if want := noon.Add(130 * time.Second).UnixNano(); j.Last != want {
		t.Errorf("the last outcome's pane ends at %d, want %d", j.Last, want)
	}
	windows := j.Windows(j.Last)
	got := map[string]string{}
	for _, p := range windows {
		if p.Model != "m" || p.Version != "1" || p.Name != "20s" || p.End-p.Start != int64(p.Length) || p.Length != 20*time.Second {
			t.Errorf("%+v", p)
		}
		key := fmt.Sprint((p.End-noon.UnixNano())/1e9, " ", p.Segment)
		got[key] = fmt.Sprintf("%d matched, %d early, %d duplicate, %d conflict, %d expired %v", p.Matched, p.Early, p.Duplicate, p.Conflict, p.Expired, p.Delays)
	}
	const de, other = "country=DE", "country=" + event.Other
	one := "1 matched, 1 early, 0 duplicate, 0 conflict, 0 expired [-2s]"
	expired := "0 matched, 0 early, 0 duplicate, 0 conflict, 1 expired []"
	french1 := "1 matched, 0 early, 0 duplicate, 1 conflict, 0 expired [14s]"
	late, lateGerman := "2 matched, 0 early, 1 duplicate, 1 conflict, 0 expired [8s 14s]", "1 matched, 0 early, 1 duplicate, 0 conflict, 0 expired [8s]"
	want := map[string]string{
		"10 ": one, "10 " + de: one,
		"20 ":      "3 matched, 1 early, 1 duplicate, 1 conflict, 0 expired [-2s 8s 14s]",
		"20 " + de: "2 matched, 1 early, 1 duplicate, 0 conflict, 0 expired [-2s 8s]", "20 " + other: french1,
		"30 ": late, "30 " + de: lateGerman, "30 " + other: french1,
		"130 ": expired, "130 " + de: expired,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// "a" is a true positive of 0.75, "b" a false one of 0.5, "d" a true one of 0.75.
	for name, want := range map[string]float64{"accuracy": 2.0 / 3, "precision": 2.0 / 3, "recall": 1, "f1": 0.8, "roc_auc": 1, "brier_score": (0.0625 + 0.25 + 0.0625) / 3} {
		if diff := cmp.Diff(want, windows[2].Figures[name], near); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if n := len(windows[len(windows)-1].Figures); n != 0 {
		t.Errorf("%d figures without a pair", n)
	}
	// Later windows hold what is left, until there is nothing.
	for until, want := range map[int64]int{131: len(windows) + 2, 1000: len(windows) + 2} {
		if got := len(j.Windows(noon.UnixNano() + until*1e9)); got != want {
			t.Errorf("%d windows until %d, want %d", got, until, want)
		}
	}
}

// TestPerformanceSlides: a window of an hour slides by a minute, to the first end after the last outcome.
func TestPerformanceSlides(t *testing.T) {
	j := Join(fraudSetup(time.Hour), [][]Message{messages(asked(1, "a", ""), labelled(61, "a", `"fraud"`), asked(190, "b", ""), labelled(200, "b", `"fraud"`))})
	var got []int64
	for _, p := range j.Windows(j.Last) {
		got = append(got, (p.End-noon.UnixNano())/1e9, int64(p.Matched))
	}
	if diff := cmp.Diff([]int64{120, 1, 180, 1, 240, 2}, got); diff != "" {
		t.Error(diff)
	}
	if got := Join(fraudSetup(time.Hour), nil).Windows(noon.UnixNano()); got != nil {
		t.Errorf("%v of nothing", got)
	}
}

// TestVersionsOfPerformance shows the four versions with the most matches and expired predictions, ties by
// name, and the others as one; duplicates and conflicts do not count for that.
func TestVersionsOfPerformance(t *testing.T) {
	var lane []string
	predict := func(version string, n int) {
		for i := range n {
			id := fmt.Sprint(version, i)
			lane = append(lane, asked(1, id, `,"version":"`+version+`"`), labelled(61, id, `"fraud"`))
		}
	}
	predict("f", 1)
	predict("e", 2)
	predict("d", 2)
	predict("c", 2)
	predict("b", 3)
	for i := range 3 { // expire at 61
		lane = append(lane, asked(1, fmt.Sprint("x", i), `,"version":"a"`))
	}
	for range 5 {
		lane = append(lane, labelled(61, "f0", `"fraud"`))
	}
	predict(event.Other, 4)
	got := map[string]string{}
	for _, p := range Join(fraudSetup(time.Minute), [][]Message{messages(lane...)}).Windows(noon.Add(70 * time.Second).UnixNano()) {
		got[p.Version] = fmt.Sprint(p.Matched, " ", p.Expired, " ", p.Duplicate)
	}
	want := map[string]string{"a": "0 3 0", "b": "3 0 0", "c": "2 0 0", "d": "2 0 0", event.Other: "7 0 5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestVersionOfAPairIsThePredictions: nine versions in a lane, of which the ninth has no place; a version that a
// label names means nothing.
func TestVersionOfAPairIsThePredictions(t *testing.T) {
	var lane []string
	for i := range 8 {
		lane = append(lane, asked(1, "", fmt.Sprintf(`,"version":"v%d"`, i)))
	}
	lane = append(lane, asked(1, "a", `,"version":"v8"`), asked(1, "b", `,"version":"v7"`),
		labelled(5, "a", `"fraud","version":"v0"`), labelled(5, "b", `"fraud","version":"v0"`))
	got := map[string]uint64{}
	for _, p := range Join(fraudSetup(time.Minute), [][]Message{messages(lane...)}).Windows(noon.Add(10 * time.Second).UnixNano()) {
		got[p.Version] = p.Matched
	}
	if diff := cmp.Diff(map[string]uint64{event.Other: 1, "v7": 1}, got); diff != "" {
		t.Error(diff)
	}
}
