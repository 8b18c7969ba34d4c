package drift

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// goldenStream is a stream of single values with what river's detectors make of it.
type goldenStream struct {
	Name         string
	Kind         string
	ChangePoints []int `json:"change_points"`
	Values       goldenStreamValues
	Expected     []goldenDetector
}

type goldenDetector struct {
	Detector    string
	Params      json.RawMessage
	Input       string
	DriftAt     []int    `json:"drift_at"`
	WarningRuns [][2]int `json:"warning_runs"`
	Final       *struct {
		Width    int
		Mean     float64
		Variance float64 `json:"variance_population"`
	}
}

// goldenValues are numbers, or a string of digits.
type goldenStreamValues []float64

func (v *goldenStreamValues) UnmarshalJSON(b []byte) error {
	var digits string
	if json.Unmarshal(b, &digits) != nil {
		return json.Unmarshal(b, (*[]float64)(v))
	}
	for _, c := range digits {
		*v = append(*v, float64(c-'0'))
	}
	return nil
}

// goldenParams are river's names of the options.
type goldenParams struct {
	Delta, Threshold, Alpha float64
	Clock                   uint64
	Mode                    string
	MinInstances            uint64  `json:"min_instances"`
	WarmStart               uint64  `json:"warm_start"`
	WarningThreshold        float64 `json:"warning_threshold"`
	DriftThreshold          float64 `json:"drift_threshold"`
	DriftConfidence         float64 `json:"drift_confidence"`
	WarningConfidence       float64 `json:"warning_confidence"`
	Lambda                  float64 `json:"lambda_val"`
	TwoSided                bool    `json:"two_sided_test"`
}

// detector returns ours with the options of river's; nil if there is none.
func (g *goldenDetector) detector(t *testing.T) Detector {
	t.Helper()
	var p goldenParams
	if g.Detector != "EDDM" && g.Detector != "FHDDM" { // their alpha is something else
		if err := json.Unmarshal(g.Params, &p); err != nil {
			t.Fatal(err)
		}
	}
	hddm := HDDMOptions{Change: p.DriftConfidence, Warning: p.WarningConfidence, TwoSided: p.TwoSided}
	switch g.Detector {
	case "ADWIN":
		return NewADWIN(ADWINOptions{Delta: p.Delta, Clock: p.Clock, Range: 1})
	case "PageHinkley":
		direction := map[string]Direction{"both": Both, "up": Up}[p.Mode]
		return NewPageHinkley(PageHinkleyOptions{Raw: true, Delta: p.Delta, Threshold: p.Threshold, Fading: p.Alpha, MinPanes: p.MinInstances, Direction: direction})
	case "DDM":
		return NewDDM(DDMOptions{MinPanes: p.WarmStart, Warning: p.WarningThreshold, Change: p.DriftThreshold})
	case "HDDM_A":
		return NewHDDMA(hddm)
	case "HDDM_W":
		return NewHDDMW(HDDMWOptions{HDDMOptions: hddm, Lambda: p.Lambda})
	}
	return nil
}

// told is what a detector says of a stream.
type told struct {
	changes, began []int
	warnings       [][2]int
}

// tell runs a detector over single values. ADWIN is reset after a change, as river does; by itself
// it would go on with its window.
func tell(d Detector, values []float64) told {
	var out told
	for i, x := range values {
		d.Update(x, 1)
		switch s := d.State(); s.Level {
		case Warning:
			if k := len(out.warnings); k > 0 && out.warnings[k-1][1] == i-1 {
				out.warnings[k-1][1] = i
			} else {
				out.warnings = append(out.warnings, [2]int{i, i})
			}
		case Change:
			out.changes = append(out.changes, i)
			out.began = append(out.began, i-int(s.Began))
			if a, ok := d.(*ADWIN); ok {
				a.Reset()
			}
		}
	}
	return out
}

// aheadHDDMW are the streams on which river's HDDM_W differs from ours, each by some indices,
// with our changes. Of an average since a cut, river counts the squared weights one value
// ahead: λ² + (1-λ)² for the first value, whose weight is 1. TestHDDMWAhead shows that this
// is the only difference.
var aheadHDDMW = map[string][]int{
	"error_gradual":  {3704, 4335, 5517},
	"error_improves": {432},
}

// TestGoldenDetectors has panes of one value: changes and warnings are those of river, all of them.
func TestGoldenDetectors(t *testing.T) {
	compared := 0
	for _, s := range readGolden[struct{ Streams []goldenStream }](t, "detectors.json").Streams {
		for _, g := range s.Expected {
			d := g.detector(t)
			if d == nil {
				continue
			}
			compared++
			got := tell(d, s.Values)
			what := s.Name + " " + g.Detector + " " + string(g.Params)
			if len(s.ChangePoints) == 0 && len(got.changes) > 0 {
				t.Errorf("%s: changes at %v where there is none", what, got.changes)
			}
			if ours, ok := aheadHDDMW[s.Name]; ok && g.Detector == "HDDM_W" {
				if !slices.Equal(got.changes, ours) {
					t.Errorf("%s: changes at %v, want %v", what, got.changes, ours)
				}
				continue
			}
			if !slices.Equal(got.changes, g.DriftAt) {
				t.Errorf("%s: changes at %v, want %v", what, got.changes, g.DriftAt)
			}
			if !slices.Equal(got.warnings, g.WarningRuns) {
				t.Errorf("%s: warnings %v, want %v", what, got.warnings, g.WarningRuns)
			}
			if a, ok := d.(*ADWIN); ok {
				g.checkWindow(t, what, a)
			}
		}
	}
	if compared != 60 {
		t.Errorf("%d comparisons, want 60", compared)
	}
}

func (g *goldenDetector) checkWindow(t *testing.T, what string, a *ADWIN) {
	t.Helper()
	w, panes := a.window()
	if int(panes) != g.Final.Width || w.n != float64(panes) {
		t.Errorf("%s: %d panes, want %d", what, panes, g.Final.Width)
	}
	checkValue(t, what+" mean", w.mean, number(g.Final.Mean))
	checkValue(t, what+" variance", w.squares/w.n, number(g.Final.Variance))
}

// TestHDDMWAhead repeats the W-test with river's sum of squared weights, and with ours: each gives
// the changes of its own.
func TestHDDMWAhead(t *testing.T) {
	for _, s := range readGolden[struct{ Streams []goldenStream }](t, "detectors.json").Streams {
		for _, g := range s.Expected {
			if g.Detector != "HDDM_W" {
				continue
			}
			const lambda = 0.05
			const kept = 1 - lambda
			if got := plainHDDMW(s.Values, lambda, lambda*lambda+kept*kept); !slices.Equal(got, g.DriftAt) {
				t.Errorf("%s: with the squares ahead, changes at %v, want %v", s.Name, got, g.DriftAt)
			}
			if got, want := plainHDDMW(s.Values, lambda, 1), tell(g.detector(t), s.Values).changes; !slices.Equal(got, want) {
				t.Errorf("%s: changes at %v, want %v", s.Name, got, want)
			}
		}
	}
}

// plainHDDMW is the one-sided W-test of single values at level 0.001, in which an average begins
// with a sum of squared weights of first.
func plainHDDMW(xs []float64, lambda, first float64) (changes []int) {
	type average struct{ x, v float64 }
	add := func(a *average, x float64) {
		if a.v == 0 {
			*a = average{x, first}
			return
		}
		a.x = lambda*x + (1-lambda)*a.x
		a.v = lambda*lambda + (1-lambda)*(1-lambda)*a.v
	}
	bound := func(v float64) float64 { return math.Sqrt(v * math.Log(1000) / 2) }
	var total, before, since average
	for i, x := range xs {
		add(&total, x)
		if before.v == 0 || total.x+bound(total.v) < before.x+bound(before.v) {
			before, since = total, average{}
			continue
		}
		if add(&since, x); since.x-before.x > bound(before.v+since.v) {
			changes = append(changes, i)
			total, before, since = average{}, average{}, average{}
		}
	}
	return changes
}

// TestGoldenBegan holds the estimates of when a change began, for the first change found after an
// abrupt one. It has the two whose cut is sharp with the options of the streams; Page-Hinkley's
// Delta is far below their noise, so that its minimum wanders. For all see TestDelays.
func TestGoldenBegan(t *testing.T) {
	estimates := 0
	for _, s := range readGolden[struct{ Streams []goldenStream }](t, "detectors.json").Streams {
		if !slices.Contains([]string{"error_abrupt", "error_twice", "real_abrupt", "real_down"}, s.Name) {
			continue
		}
		for _, g := range s.Expected {
			if g.Detector != "ADWIN" && g.Detector != "HDDM_A" {
				continue
			}
			got, change := tell(g.detector(t), s.Values), s.ChangePoints[0]
			i := slices.IndexFunc(got.changes, func(c int) bool { return c >= change })
			if i < 0 {
				t.Errorf("%s %s: no change after %d", s.Name, g.Detector, change)
				continue
			}
			estimates++
			if off := got.began[i] - change; max(off, -off) > 80 {
				t.Errorf("%s %s %s: found at %d, began at %d, want %d", s.Name, g.Detector, g.Params, got.changes[i], got.began[i], change)
			}
		}
	}
	if estimates != 12 {
		t.Errorf("%d estimates, want 12", estimates)
	}
}
