package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

const (
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
)

// timed is a row with its time.
type timed struct {
	time int64
	row  []event.Value
}

// fataler is a testing.TB or a rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func buildTimed(t fataler, lengths []int64, rows []timed) *Reference {
	t.Helper()
	b := NewBuilder(event.Schema{Models: []string{"m"}, Features: mixedSchema().Features})
	b.Calibrate(lengths)
	for _, r := range rows {
		b.Observe(&event.Event{Time: r.time, Features: r.row})
	}
	r, err := b.Build(Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trafficOf returns a row each step of [from, to), with values that follow the hour, and some that are missing.
func trafficOf(rng *rand.Rand, from, to, step int64) (rows []timed) {
	for at := from; at < to; at += step {
		phase := math.Sin(2 * math.Pi * float64(at%(24*hour)) / float64(24*hour))
		row := []event.Value{
			{State: event.Valid, Number: phase + rng.NormFloat64()},
			{State: event.Valid, Text: fmt.Append(nil, "c", int(2*phase+rng.ExpFloat64()*3))},
		}
		for i := range row {
			if rng.IntN(10) == 0 {
				row[i].State = []event.State{event.Missing, event.Invalid}[rng.IntN(2)]
			}
		}
		rows = append(rows, timed{at + rng.Int64N(step), row})
	}
	return rows
}

// naiveWindows returns the windows of a length by going through all rows for each.
func naiveWindows(rows []timed, length, every int64) (starts []int64) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b timed) int { return int(a.time - b.time) })
	for i := 0; i < len(rows); {
		last := i
		for last+1 < len(rows) && rows[last+1].time-rows[last].time < length {
			last++
		}
		end := rows[last].time + length/64
		if last > i {
			end += (rows[last].time - rows[i].time) / int64(last-i)
		}
		for start := rows[i].time; start+length <= end; start += every {
			starts = append(starts, start)
		}
		i = last + 1
	}
	return starts
}

// naiveSample counts the rows of [start, end) as the feature number i of a window.
func naiveSample(f *Feature, i int, rows []timed, start, end int64) (s drift.Sample, valid int) {
	exp := sketch.NewExpHistogram(f.Median)
	if f.Type == event.Numeric {
		s.Fine, s.Exp = make([]uint64, f.Bins.Len()), &exp
	} else {
		s.Bins = make([]uint64, len(f.Categories)+1)
	}
	for _, r := range rows {
		v := r.row[i]
		switch {
		case r.time < start || r.time >= end:
			continue
		case v.State != event.Valid:
			s.Absent++
			continue
		case f.Type == event.Numeric:
			s.Fine[f.Bins.Index(v.Number)]++
			exp.Add(v.Number)
		default:
			bin := slices.Index(f.Categories, string(v.Text))
			if bin < 0 {
				bin = len(f.Categories)
			}
			s.Bins[bin]++
		}
		valid++
	}
	if f.Type == event.Numeric {
		s.Bins = f.AppendDeciles(nil, s.Fine)
	}
	return s, valid
}

// naiveCalibration makes one directly from the windows.
func naiveCalibration(f *Feature, i int, rows []timed, length, every int64) drift.Calibration {
	var windows []drift.Sample
	disjoint, next, inverses := 0, int64(math.MinInt64), 0.0
	for _, start := range naiveWindows(rows, length, every) {
		s, valid := naiveSample(f, i, rows, start, start+length)
		if valid < drift.MinWindow {
			continue
		}
		windows, inverses = append(windows, s), inverses+1/float64(valid)
		if start >= next {
			disjoint, next = disjoint+1, start+length
		}
	}
	k := drift.NewCalibrator(f.Sample(0), float64(len(windows))/inverses)
	for _, w := range windows {
		k.Add(w)
	}
	if c := k.Calibration(length, disjoint); c != nil {
		return *c
	}
	return drift.Calibration{Length: length, Windows: len(windows), Disjoint: disjoint}
}

// TestCalibrationsAreThoseOfNaiveWindows builds references of days with gaps between, with missing values, rows of
// equal times and rows without one, and in any order.
func TestCalibrationsAreThoseOfNaiveWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var rows []timed
		at := 1_795_000_000*int64(time.Second) + rng.Int64N(hour)
		for range rapid.IntRange(1, 3).Draw(t, "stretches") {
			to := at + rapid.Int64Range(1, 4*hour).Draw(t, "span")
			rows = append(rows, trafficOf(rng, at, to, rapid.Int64Range(20, 60).Draw(t, "step")*int64(time.Second))...)
			at = to + rapid.Int64Range(0, 4*hour).Draw(t, "gap")
		}
		rows = append(rows, timed{rows[0].time, []event.Value{{State: event.Valid, Number: 7}, {State: event.Valid, Text: []byte("a")}}})
		lengths := []int64{hour, 20 * minute, 2 * hour, 20 * minute}
		untimed := timed{0, rows[len(rows)/2].row}
		r := buildTimed(t, lengths, append(slices.Clone(rows), untimed))
		for i := range r.Features {
			f := &r.Features[i]
			if len(f.Calibrations) != 3 {
				t.Fatalf("%d calibrations", len(f.Calibrations))
			}
			for _, c := range f.Calibrations {
				if want := naiveCalibration(f, i, rows, c.Length, c.Length/8); !reflect.DeepEqual(c, want) {
					t.Fatalf("%s:\n%+v\nwant\n%+v", f.Name, c, want)
				}
			}
		}
		want, _ := r.Encode()
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if got, _ := buildTimed(t, lengths, append([]timed{untimed}, rows...)).Encode(); !bytes.Equal(got, want) {
			t.Fatal("the order of the rows changes the bytes")
		}
	})
}

// TestDisjointWindows counts how many fit, where the reference has gaps or a rhythm.
func TestDisjointWindows(t *testing.T) {
	day := 24 * hour
	rng := rand.New(rand.NewPCG(1, 2))
	start := int64(20_000) * day
	days := func(step int64, which ...int64) (rows []timed) {
		for _, d := range which {
			rows = append(rows, trafficOf(rng, start+d*day, start+(d+1)*day, step)...)
		}
		return rows
	}
	// Eight hours a day, five days a week.
	office := []timed{{start + 9*hour, []event.Value{{State: event.Valid}, {State: event.Valid, Text: []byte("a")}}}}
	for d := range int64(28) {
		if d%7 < 5 {
			office = append(office, trafficOf(rng, start+d*day+9*hour, start+d*day+17*hour, 20*int64(time.Second))...)
		}
	}
	for name, c := range map[string]struct {
		rows  []timed
		wants map[int64]int
	}{
		"three days in a row":     {days(minute, 0, 1, 2), map[int64]int{hour: 72, day: 3, 2 * day: 1, 7 * day: 0}},
		"three single days":       {days(20*int64(time.Second), 0, 3, 7), map[int64]int{hour: 72, day: 3, 2 * day: 0}},
		"twenty days and no more": {days(10*minute, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19), map[int64]int{hour: 0, day: 20, 7 * day: 2}},
		"one row":                 {office[:1], map[int64]int{hour: 0, day: 0}},
		"many more than are looked at, and one at an odd time": {append(days(5*int64(time.Second), 0, 1, 2, 3), timed{math.MaxInt64, office[0].row}), map[int64]int{5 * minute: 1152, minute: 0}},
		"office hours": {office, map[int64]int{hour: 160, day: 16}},
	} {
		lengths := slices.Collect(func(yield func(int64) bool) {
			for l := range c.wants {
				if !yield(l) {
					return
				}
			}
		})
		for _, f := range buildTimed(t, lengths, c.rows).Features[:1] {
			for _, got := range f.Calibrations {
				if got.Disjoint != c.wants[got.Length] || got.Windows < got.Disjoint || got.Windows > maxWindows+overlap {
					t.Errorf("%s: k = %d of %d windows of %v, want %d", name, got.Disjoint, got.Windows, time.Duration(got.Length), c.wants[got.Length])
				}
			}
		}
	}
}

// TestPickedWindows checks that where only some windows are looked at they meet each hour of the day equally often.
func TestPickedWindows(t *testing.T) {
	var hours [24]int
	before := int64(-1)
	for i := range int64(2400) {
		k := picked(i, 24)
		if k/24 != i || k <= before {
			t.Fatalf("window %d after %d in the group %d", k, before, i)
		}
		before = k
		hours[k%24]++
	}
	if low, high := slices.Min(hours[:]), slices.Max(hours[:]); low < 98 || high > 102 {
		t.Errorf("hours %v", hours)
	}
	times := make([]int64, 400_000)
	for i := range times {
		times[i] = int64(i) * minute
	}
	for _, length := range []int64{10 * minute, 100 * minute, 300 * minute, 700 * minute, 2000 * minute} {
		g := newGrid(times, length)
		windows := 0
		for _, p := range g.pieces {
			if p.ends {
				windows++
			}
			if int64(p.high-p.low) != length/minute/int64(g.parts) && p.high != int32(len(times)) {
				t.Fatalf("a piece of %d rows", p.high-p.low)
			}
		}
		if windows < maxWindows/2 || windows > maxWindows {
			t.Errorf("%d windows of %v in %d parts", windows, time.Duration(length), g.parts)
		}
	}
}

// TestCalibrationOfALength looks lengths up that the profile has, has too little of, and does not have.
func TestCalibrationOfALength(t *testing.T) {
	f := Feature{Calibrations: []drift.Calibration{
		{Length: 1, Disjoint: 5}, {Length: 2, Disjoint: 60}, {Length: 4, Disjoint: 30}, {Length: 8, Disjoint: 15}, {Length: 16, Disjoint: 20},
	}}
	for length, want := range map[int64]struct {
		of     int64
		caveat string
	}{
		1: {1, drift.Insufficient}, 2: {2, ""}, 3: {2, drift.Insufficient}, 4: {4, ""}, 8: {4, drift.Insufficient}, 16: {16, ""}, 99: {16, drift.Insufficient},
	} {
		if c := f.Calibration(length); c.Length != want.of || c.Caveat() != want.caveat {
			t.Errorf("length %d: of %d, %q, want %+v", length, c.Length, c.Caveat(), want)
		}
	}
	f.Calibrations = f.Calibrations[3:4]
	if c := f.Calibration(9); c.Length != 8 || c.Caveat() != drift.Insufficient {
		t.Errorf("of shorter ones that do not suffice: %+v", c)
	}
	if c := f.Calibration(7); c == nil || c.Disjoint != 0 || c.Caveat() != drift.Insufficient {
		t.Errorf("shorter than all: %+v", c)
	}
	f.Calibrations = nil
	if c := f.Calibration(1); c != nil || c.Caveat() != drift.Independent {
		t.Errorf("without times: %+v", c)
	}
}

// fingerprint1 is that of the golden file of version 1.
const fingerprint1 = "9d3a8403658e72c7"

func goldenFile(t testing.TB, version int) []byte {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("testdata/version%d.profile.json", version))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGoldenVersions reads the files of each version of the format. STREAMMON_UPDATE=1 writes the newest anew.
func TestGoldenVersions(t *testing.T) {
	if os.Getenv("STREAMMON_UPDATE") != "" {
		data, err := goldenPerformance(t).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/version3.profile.json", data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := Decode(goldenFile(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if x := old.Find("x"); old.Fingerprint != fingerprint1 || old.Rows != 500 || x.Count != 495 || x.Median != 62.5 || x.Calibration(hour) != nil {
		t.Errorf("version 1: fingerprint %s, %d rows, %d values around %g", old.Fingerprint, old.Rows, x.Count, x.Median)
	}
	data := goldenFile(t, 2)
	r, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Encode()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("version 2 is not written as it was read: %v", err)
	}
	for _, c := range []struct {
		length   int64
		disjoint int
	}{{20 * minute, 36}, {hour, 12}, {24 * hour, 0}} {
		for i := range r.Features {
			i := slices.IndexFunc(r.Features[i].Calibrations, func(k drift.Calibration) bool { return k.Length == c.length && k.Disjoint == c.disjoint })
			if i < 0 {
				t.Errorf("no %d windows of %v", c.disjoint, time.Duration(c.length))
			}
		}
	}
	data = goldenFile(t, 3)
	if r, err = Decode(data); err != nil {
		t.Fatal(err)
	}
	if again, err := r.Encode(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("version 3 is not written as it was read: %v", err)
	}
	if figures, pairs := r.Performance.Of(measured); pairs != 1500 || !all(figures, r.Performance.Figures) || r.Performance.Calibrates(measured) == nil || len(r.Performance.Windows) != 2 {
		t.Errorf("version 3: %d figures of %d pairs", len(figures), pairs)
	}
	if _, err := Decode(bytes.Replace(data, []byte(`"version": 3`), []byte(`"version": 4`), 1)); err == nil || !strings.Contains(err.Error(), "reads versions 1 to 3") {
		t.Errorf("version 4: %v", err)
	}
}

// TestDamagedCalibrations checks that the fingerprint covers them, and that what cannot be is refused even with the
// right one.
func TestDamagedCalibrations(t *testing.T) {
	data := goldenFile(t, 2)
	if _, err := Decode(bytes.Replace(data, []byte(`"disjoint": 36`), []byte(`"disjoint": 37`), 1)); err == nil || !strings.Contains(err.Error(), "changed or damaged") {
		t.Errorf("a changed calibration is read: %v", err)
	}
	for name, change := range map[string]func(*calibrationFile){
		"length":   func(c *calibrationFile) { c.Length = 0 },
		"order":    func(c *calibrationFile) { c.Length = 2 * hour },
		"windows":  func(c *calibrationFile) { c.Windows = c.Disjoint - 1 },
		"disjoint": func(c *calibrationFile) { c.Disjoint = -1 },
		"size":     func(c *calibrationFile) { c.Size = 0 },
		"trace":    func(c *calibrationFile) { c.Trace = -1 },
		"excess":   func(c *calibrationFile) { c.Excess["ks"] = -1 },
	} {
		var f referenceFile
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		change(&f.Features[0].Calibrations[0])
		if _, err := Decode(f.sealed(t)); err == nil || !strings.Contains(err.Error(), "calibration") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sealed returns the file with the fingerprint of its content.
func (f *referenceFile) sealed(t testing.TB) []byte {
	var err error
	if f.Fingerprint, err = f.fingerprint(); err != nil {
		t.Skip(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Skip(err)
	}
	return data
}

// all reports whether the figures that were written are among those of now, as they were.
func all(now, written []eval.Figure) bool {
	return !slices.ContainsFunc(written, func(f eval.Figure) bool {
		return !slices.ContainsFunc(now, func(o eval.Figure) bool {
			return o.Name == f.Name && o.At == f.At && o.Label == f.Label && o.Value == f.Value
		})
	})
}

// TestQuietCalibrationsAreRead: windows that do not vary at all are as variable as the least that is read, whatever their size; a rounding
// error made one of them unreadable, and a reference that was learned of it ended the program.
func TestQuietCalibrationsAreRead(t *testing.T) {
	for n := uint64(4); n < 400; n++ {
		even := func(times uint64) drift.Sample { return drift.Sample{Bins: slices.Repeat([]uint64{n * times}, 10)} }
		k := drift.NewCalibrator(even(100), float64(10*n))
		for i := range uint64(25) {
			w := even(1)
			w.Bins[i%10] += i % 3
			k.Add(w)
		}
		c := k.Calibration(hour, 25)
		f := Feature{Calibrations: []drift.Calibration{*c}}
		if _, err := readCalibrations(f.calibrationFiles()); err != nil {
			t.Fatalf("windows of %d values: %v: %+v", 10*n, err, c)
		}
	}
}
