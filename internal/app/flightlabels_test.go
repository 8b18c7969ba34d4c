package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/flights"
	"github.com/streammon/streammon/internal/testkafka"
)

// flightsConfig returns a config of testdata with another reference.
func flightsConfig(t *testing.T, name string) func(profile string) string {
	t.Helper()
	data, err := os.ReadFile("../../testdata/flights/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return func(profile string) string {
		return strings.Replace(string(data), name+".profile.json", profile, 1)
	}
}

// flight is a prediction and its label, if there is one, as the files have them.
type flight struct {
	departed, arrived time.Time
	score, value      float64
	lower, upper      float64
	answered          string
	labelled          bool
	label             string
	minutes           float64
}

// pairFlights pairs messages by id.
func pairFlights(t *testing.T, predictions, labels []flights.Message) []flight {
	t.Helper()
	type line struct {
		ID         string
		Prediction struct {
			Score, Value, Lower, Upper float64
			Label                      string
		}
		Label   string
		Minutes float64
	}
	var l line
	all, place := make([]flight, len(predictions)), map[string]int{}
	for i, m := range predictions {
		if err := json.Unmarshal(m.Value, &l); err != nil {
			t.Fatal(err)
		}
		p := &l.Prediction
		all[i] = flight{departed: m.Time, score: p.Score, value: p.Value, lower: p.Lower, upper: p.Upper, answered: p.Label}
		place[l.ID] = i
	}
	for _, m := range labels {
		if err := json.Unmarshal(m.Value, &l); err != nil {
			t.Fatal(err)
		}
		f := &all[place[l.ID]]
		f.labelled, f.arrived, f.label, f.minutes = true, m.Time, l.Label, l.Minutes
	}
	return all
}

// flightFigures are those of a window that a short program can tell.
type flightFigures struct {
	Matched, Expired  int
	Ratio             float64 `json:"matched_ratio"`
	Accuracy          float64
	AUC               float64 `json:"roc_auc"`
	MAE, RMSE         float64
	MeanError         float64 `json:"mean_error"`
	Coverage          float64 `json:"interval_coverage"`
	EstimatedAccuracy float64 `json:"estimated_accuracy"`
	State             string
	Reference         struct{ Accuracy float64 }
}

// naiveFigures are the figures of the flights that arrived in [start, end), and of those whose label was due then and never came.
func naiveFigures(all []flight, start, end time.Time) flightFigures {
	var f flightFigures
	within := func(x time.Time) bool { return !x.Before(start) && x.Before(end) }
	var arrived []flight
	for _, x := range all {
		switch {
		case x.labelled && within(x.arrived):
			arrived = append(arrived, x)
		case !x.labelled && within(x.departed.Add(24*time.Hour)):
			f.Expired++
		}
	}
	f.Matched = len(arrived)
	correct, covered, squares := 0, 0, 0.0
	for _, x := range arrived {
		if x.answered == x.label {
			correct++
		}
		if x.lower <= x.minutes && x.minutes <= x.upper {
			covered++
		}
		e := x.value - x.minutes
		f.MAE += math.Abs(e)
		f.MeanError += e
		squares += e * e
	}
	n := float64(f.Matched)
	f.Ratio, f.Accuracy, f.Coverage = n/(n+float64(f.Expired)), float64(correct)/n, float64(covered)/n
	f.MAE, f.MeanError, f.RMSE = f.MAE/n, f.MeanError/n, math.Sqrt(squares/n)
	f.AUC = naiveAUC(arrived)
	return f
}

// naiveAUC is the share of pairs of a late and another flight of which the late one has the higher score; equal scores are half.
func naiveAUC(arrived []flight) float64 {
	slices.SortFunc(arrived, func(a, b flight) int { return cmp.Compare(a.score, b.score) })
	pairs, others, late := 0.0, 0.0, 0.0
	for len(arrived) > 0 {
		n, here := 0, 0.0
		for n < len(arrived) && arrived[n].score == arrived[0].score {
			if arrived[n].label == "late" {
				here++
			}
			n++
		}
		rest := float64(n) - here
		pairs += here * (others + rest/2)
		late, others, arrived = late+here, others+rest, arrived[n:]
	}
	return pairs / (late * others)
}

// labelledWindows returns the performance of the windows that end at midnight, by length and first day; and how many windows of a
// length and a month had which state.
func labelledWindows(t *testing.T, lines []byte) (windows map[string]flightFigures, states map[string]map[string]int) {
	t.Helper()
	windows, states = map[string]flightFigures{}, map[string]map[string]int{}
	for line := range bytes.Lines(lines) {
		var r struct {
			Window      string
			Start, End  time.Time
			Performance *flightFigures
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Performance == nil {
			continue
		}
		month := r.Window + " " + r.End.Format("2006-01")
		if states[month] == nil {
			states[month] = map[string]int{}
		}
		states[month][r.Performance.State]++
		if r.End.Equal(r.End.Truncate(24 * time.Hour)) {
			windows[r.Window+" "+r.Start.Format(time.DateOnly)] = *r.Performance
		}
	}
	return windows, states
}

// TestFlightsWithLabels replays a real data set whose labels come hours later, and some never. Each window that ends at midnight has
// the figures that a short program computes from the files.
func TestFlightsWithLabels(t *testing.T) {
	predictions, labels, err := flights.Read(flightsFile, day("2013-04-01"), flightsUntil())
	if err != nil {
		t.Fatal(err)
	}
	all := pairFlights(t, predictions, labels)
	never := 0
	for _, f := range all {
		if !f.labelled {
			never++
		}
	}
	if never == 0 || len(all)-never != len(labels) {
		t.Fatalf("%d of %d flights without a label, %d labels", never, len(all), len(labels))
	}
	for _, task := range []struct {
		name  string
		check func(t *testing.T, w map[string]flightFigures, states map[string]map[string]int)
		same  func(t *testing.T, window string, got, want flightFigures)
	}{
		{"lateness", checkLateness, sameLateness}, {"minutes", checkMinutes, sameMinutes},
	} {
		t.Run(task.name, func(t *testing.T) {
			dir := t.TempDir()
			text := flightsConfig(t, task.name)
			windows, states := labelledWindows(t, replayFlights(t, dir, text(writeMarch(t, dir, text)), predictions, labels))
			days, matched, expired := 0, 0, 0
			for window, got := range windows {
				length, first, _ := strings.Cut(window, " ")
				start := day(first)
				end := start.AddDate(0, 0, 1)
				if length == "30d" {
					end = start.AddDate(0, 0, 30)
				}
				want := naiveFigures(all, start, end)
				if got.Matched != want.Matched || got.Expired != want.Expired || got.Ratio != want.Ratio {
					t.Errorf("%s: %d matched, %d expired, ratio %g; want %d, %d, %g", window, got.Matched, got.Expired, got.Ratio, want.Matched, want.Expired, want.Ratio)
				}
				if want.Matched > 0 {
					task.same(t, window, got, want)
				}
				if length == "24h" {
					days, matched, expired = days+1, matched+got.Matched, expired+got.Expired
				}
			}
			// What arrives after the last midnight, and what would expire after the last event, is in none of them.
			if last := len(labels) - matched; last < 0 || last > 50 || expired > never || expired < never-5 || days < 30 {
				t.Errorf("%d days have %d of %d labels and %d of %d flights without", days, matched, len(labels), expired, never)
			}
			task.check(t, windows, states)
		})
	}
}

func near(a, b, within float64) bool { return math.Abs(a-b) <= within }

func sameLateness(t *testing.T, window string, got, want flightFigures) {
	t.Helper()
	// Scores of a month are in a histogram: there are more than 1,024 different ones.
	within := 1e-12
	if strings.HasPrefix(window, "30d") {
		within = 2e-4
	}
	if got.Accuracy != want.Accuracy || !near(got.AUC, want.AUC, within) {
		t.Errorf("%s: accuracy %g, AUC %g; want %g, %g", window, got.Accuracy, got.AUC, want.Accuracy, want.AUC)
	}
}

func sameMinutes(t *testing.T, window string, got, want flightFigures) {
	t.Helper()
	const within = 1e-9
	if !near(got.MAE, want.MAE, within) || !near(got.RMSE, want.RMSE, within) || !near(got.MeanError, want.MeanError, within) || !near(got.Coverage, want.Coverage, within) {
		t.Errorf("%s: %+v\nwant %+v", window, got, want)
	}
}

// checkLateness checks what docs/walkthrough-labels.md says: accuracy is lower than March's, lowest in April, December and July, and the
// estimate sees a part of it.
func checkLateness(t *testing.T, w map[string]flightFigures, states map[string]map[string]int) {
	for _, c := range []struct {
		first               string
		accuracy, estimated [2]float64
	}{
		{"2013-04-01", [2]float64{0.855, 0.86}, [2]float64{0.90, 0.906}},
		{"2013-06-01", [2]float64{0.885, 0.89}, [2]float64{0.89, 0.896}},
		{"2013-07-01", [2]float64{0.865, 0.87}, [2]float64{0.88, 0.886}},
		{"2013-09-01", [2]float64{0.918, 0.923}, [2]float64{0.89, 0.896}},
		{"2013-12-01", [2]float64{0.86, 0.865}, [2]float64{0.886, 0.892}},
	} {
		f, ok := w["30d "+c.first]
		if !ok && raceEnabled && c.first != "2013-04-01" {
			continue
		}
		if f.Accuracy < c.accuracy[0] || f.Accuracy > c.accuracy[1] || f.EstimatedAccuracy < c.estimated[0] || f.EstimatedAccuracy > c.estimated[1] {
			t.Errorf("month from %s: accuracy %g, estimated %g", c.first, f.Accuracy, f.EstimatedAccuracy)
		}
		if !near(f.Reference.Accuracy, 0.9085, 5e-5) {
			t.Errorf("month from %s: %g in March", c.first, f.Reference.Accuracy)
		}
	}
	checkShare(t, states, "24h 2013-04", eval.Worse, 0.1, 0.2)
	checkShare(t, states, "24h 2013-11", eval.Worse, 0.08, 0.15)
}

// checkMinutes checks what docs/walkthrough-labels.md says: errors are larger in summer.
func checkMinutes(t *testing.T, w map[string]flightFigures, states map[string]map[string]int) {
	for _, c := range []struct {
		first    string
		mae      [2]float64
		coverage [2]float64
	}{
		{"2013-04-01", [2]float64{14, 14.1}, [2]float64{0.72, 0.725}},
		{"2013-06-01", [2]float64{14, 14.1}, [2]float64{0.72, 0.725}},
		{"2013-07-01", [2]float64{14.8, 14.9}, [2]float64{0.685, 0.69}},
		{"2013-11-01", [2]float64{11.3, 11.4}, [2]float64{0.785, 0.79}},
	} {
		f, ok := w["30d "+c.first]
		if !ok && raceEnabled && c.first != "2013-04-01" {
			continue
		}
		if f.MAE < c.mae[0] || f.MAE > c.mae[1] || f.Coverage < c.coverage[0] || f.Coverage > c.coverage[1] {
			t.Errorf("month from %s: MAE %g, coverage %g", c.first, f.MAE, f.Coverage)
		}
	}
	checkShare(t, states, "24h 2013-07", eval.Worse, 0.1, 0.25)
	checkShare(t, states, "24h 2013-11", eval.Worse, 0, 0)
	checkShare(t, states, "30d 2013-07", eval.Warning, 0.6, 1)
	checkShare(t, states, "30d 2013-11", eval.OK, 1, 1)
}

// checkShare checks how many of a month's windows that were judged have a state.
func checkShare(t *testing.T, states map[string]map[string]int, month, state string, low, high float64) {
	t.Helper()
	all := states[month]
	judged := 0
	for s, n := range all {
		if s != "" {
			judged += n
		}
	}
	if judged == 0 && raceEnabled && !strings.HasSuffix(month, "-04") {
		return
	}
	if share := float64(all[state]) / float64(judged); judged == 0 || share < low || share > high {
		t.Errorf("%s: %v, want %g to %g of %s", month, all, low, high, state)
	}
}

// TestFlightsWithLabelsFromKafka reads two weeks as a regression from Kafka, and compares the results with those of the files, byte for
// byte.
func TestFlightsWithLabelsFromKafka(t *testing.T) {
	dir := t.TempDir()
	text := flightsConfig(t, "minutes")
	profile := writeMarch(t, dir, text)
	predictions, labels, err := flights.Read(flightsFile, day("2013-04-01"), day("2013-04-15"))
	if err != nil {
		t.Fatal(err)
	}
	want := replayFlights(t, dir, text(profile), predictions, labels)
	if !bytes.Contains(want, []byte(`"mae":`)) || !bytes.Contains(want, []byte(`"decided_by":"mae"`)) {
		t.Fatal("nothing was measured")
	}
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		p, l := b.CreateTopic(t, flights.Partitions, keepForever), b.CreateTopic(t, flights.Partitions, keepForever)
		produceFlights(t, b, p, predictions)
		produceFlights(t, b, l, labels)
		here := strings.NewReplacer(flights.Predictions, p, flights.Labels, l, `"localhost:19092"`, strings.Join(b.Bootstrap, ", ")).Replace(text(profile))
		compareResults(t, want, runUntilEnd(t, here))
	})
}
