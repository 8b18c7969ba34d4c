package chart

import (
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
)

var nan = math.NaN()

// pictures are of all kinds, with a name everywhere and values that are hard to draw.
func pictures(name string) map[string]template.HTML {
	line := []Point{{0, 1}, {60, nan}, {120, 3}, {180, nan}, {240, 2e300}}
	return map[string]template.HTML{
		"spark":       Spark(name, line, 2),
		"plot":        Plot{Label: name, Lines: []Line{{Name: name, Class: "now", Points: line}, {Class: "limit", Points: []Point{{0, 0}, {240, 0}}}}, Marks: []Mark{{-5, name}, {100, name}}}.Draw(),
		"part":        Plot{Label: name, From: 30.5, To: 1e9, Lines: []Line{{Class: "now", Points: line}}, Marks: []Mark{{0, name}, {100, name}}}.Draw(),
		"curve":       Plot{Label: name, Curve: true, XName: name, YName: name, Diagonal: true, Lines: []Line{{Class: "now", Points: []Point{{0, 0}, {1, 1}}}}}.Draw(),
		"flat":        Plot{Label: name, Lines: []Line{{Class: "now", Points: []Point{{0, 5}, {1, 5}}}}}.Draw(),
		"bars":        Bars(name, []Bin{{name, 0.1, 0.5}, {name, 0, nan}}),
		"bands":       Bands(name, []Band{{name, "now", [5]float64{1, 2, 3, 4, 5000}}, {name, "reference", [5]float64{2, 2, 2, 2, 2}}}),
		"calibration": Calibration(name, []Calibrated{{0.1, 0.2, 0.5}, {0.9, 0.8, 0.5}}, nil),
		"timeline":    Timeline(name, []Row{{name, []float64{0, 60, 120}, []string{"ok", "", "drift"}}, {Name: name}}, 0, 180, []Mark{{90, name}}),
	}
}

// TestPictures: each is well-formed XML without styles, scripts or links, whatever it is named, and has no number that is none.
func TestPictures(t *testing.T) {
	for _, name := range []string{"amount", `<script>alert(1)</script>"'&`, "</svg><img src=x>", ""} {
		for kind, p := range pictures(name) {
			d := xml.NewDecoder(strings.NewReader(string(p)))
			elements := 0
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s of %q: %v\n%s", kind, name, err, p)
				}
				e, ok := token.(xml.StartElement)
				if !ok {
					continue
				}
				elements++
				if !strings.Contains(" svg g path rect line circle text title ", " "+e.Name.Local+" ") {
					t.Errorf("%s of %q has %s", kind, name, e.Name.Local)
				}
				for _, a := range e.Attr {
					if n := a.Name.Local; n == "style" || n == "href" || strings.HasPrefix(n, "on") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
						t.Errorf("%s of %q: %s=%q", kind, name, n, a.Value)
					}
				}
			}
			if elements < 2 {
				t.Errorf("%s of %q is empty", kind, name)
			}
			if again := pictures(name)[kind]; again != p {
				t.Errorf("%s: other bytes of the same", kind)
			}
		}
	}
}

// TestNothingToDraw: where there is nothing there is no picture.
func TestNothingToDraw(t *testing.T) {
	none := []Point{{0, nan}, {1, nan}}
	for kind, p := range map[string]template.HTML{
		"spark": Spark("", []Point{{0, 1}}, nan), "plot": Plot{Lines: []Line{{Points: none}}}.Draw(), "bars": Bars("", nil), "bands": Bands("", nil),
		"undefined band": Bands("", []Band{{Quantiles: [5]float64{1, 2, nan, 4, 5}}}), "timeline": Timeline("", nil, 0, 5, nil),
	} {
		if p != "" {
			t.Errorf("%s: %s", kind, p)
		}
	}
}

// TestThin: of many points the extremes are kept, and gaps are not joined.
func TestThin(t *testing.T) {
	var many []Point
	for i := range 10_000 {
		many = append(many, Point{float64(i), math.Sin(float64(i) / 500)})
	}
	many[5003].Y, many[7001].Y = 9, -9
	out := thin(many, 100)
	low, high := extent([]Line{{Points: out}}, 0, 0)
	if len(out) > 200 || low != -9 || high != 9 {
		t.Errorf("%d points from %g to %g", len(out), low, high)
	}
	for i := 1; i < len(out); i++ {
		if out[i].X <= out[i-1].X {
			t.Fatalf("%v after %v", out[i], out[i-1])
		}
	}
	path := regexp.MustCompile(` d="([^"]*)"`).FindStringSubmatch(string(Plot{Lines: []Line{{Points: []Point{{0, 0}, {1, 1}, {2, nan}, {3, 0}, {4, 1}}}}}.Draw()))
	if path == nil || strings.Count(path[1], "M") != 2 {
		t.Errorf("a gap is joined: %v", path)
	}
}

func TestNumber(t *testing.T) {
	for want, x := range map[string]float64{
		"0": 0, "–": nan, "0.103": 0.10321, "12.3": 12.345, "100": 99.96, "5120": 5120, "20.1k": 20101, "1.5M": 1.5e6, "2.5G": 2.5e9, "1e-09": 1e-9, "-3": -3, "0.00012": 0.00012, "1e+300": 1e300,
	} {
		if got := Number(x); got != want {
			t.Errorf("%g is written %s, want %s", x, got, want)
		}
	}
	for want, x := range map[string]float64{"0 %": 0, "<0.01 %": 1e-9, "0.51 %": 0.0051, "9.9 %": 0.099, "58 %": 0.58, "100 %": 1, "–": nan} {
		if got := Percent(x); got != want {
			t.Errorf("%g is written %s, want %s", x, got, want)
		}
	}
}

// TestTicks: a few round values within the scale.
func TestTicks(t *testing.T) {
	for _, s := range []scale{{low: 0, high: 1}, {low: -3, high: 17}, {low: 0.001, high: 0.0011}, {low: 1, high: 5000, log: true}, {low: 5, high: 5}, {low: 1e15, high: 2e15}} {
		ticks := s.ticks(4)
		if len(ticks) == 0 || len(ticks) > 12 {
			t.Errorf("%+v: %v", s, ticks)
		}
		for _, x := range ticks {
			if x < s.low-1e-9 || x > s.high*(1+1e-9)+1e-9 {
				t.Errorf("%+v: %v", s, ticks)
			}
		}
	}
}

// TestTimes: a picture tells a script which time is where, and says seconds where minutes are too coarse.
func TestTimes(t *testing.T) {
	line := []Line{{Class: "now", Points: []Point{{60, 1}, {3660, 2}}}}
	for _, c := range []struct {
		picture template.HTML
		has     string
	}{
		{Plot{From: 0, To: 7200, Lines: line}.Draw(), `data-from="0" data-to="7200" data-left="48" data-right="630" class="chart plot"`},
		{Plot{From: 0, To: 7200, Lines: line}.Draw(), `>02:00<`},
		{Plot{From: 60, To: 120, Lines: line}.Draw(), `>00:01:00<`},
		{Plot{From: 0, To: 864000, Lines: line}.Draw(), `>11 Jan 00:00<`},
		{Plot{Lines: line}.Draw(), `<svg class="chart plot"`},
		{Timeline("", []Row{{"a", []float64{10}, []string{"ok"}}}, 0, 3600, nil), `data-from="0" data-to="3600" data-left="150" data-right="630" class="chart timeline"`},
	} {
		if !strings.Contains(string(c.picture), c.has) {
			t.Errorf("no %s in %s", c.has, c.picture)
		}
	}
	if p := Timeline("", []Row{{Name: "a"}}, 0, 3600, nil); p != "" {
		t.Errorf("a time line without states: %s", p)
	}
}
