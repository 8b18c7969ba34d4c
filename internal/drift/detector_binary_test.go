package drift

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// goldenPanes depend on no library: a linear congruential generator, with an empty pane, a
// change that all find.
func goldenPanes() []pane {
	out := make([]pane, 150)
	state := uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = pane{float64(20 + state>>16%40), 1000}
		if i >= 110 {
			out[i].sum += 400
		}
	}
	out[7] = pane{}
	return out
}

// toChange returns the panes up to the one in which a detector finds the change.
func toChange(t *testing.T, d Detector) []pane {
	t.Helper()
	panes := goldenPanes()
	for i, p := range panes {
		if d.Update(p.sum, p.n); d.State().Level == Change {
			return panes[:i+1]
		}
	}
	t.Fatal("no change found")
	return nil
}

// after is the detector after panes.
func after(d Detector, panes []pane) Detector {
	for _, p := range panes {
		d.Update(p.sum, p.n)
	}
	return d
}

// TestGoldenForms compares the binary forms with those that were written when their version was made.
func TestGoldenForms(t *testing.T) {
	for _, k := range Detectors {
		for size, panes := range map[string][]pane{"empty": nil, "quiet": goldenPanes()[:100], "change": toChange(t, k.New(Ratio))} {
			path := filepath.Join("testdata", "detector-"+k.Name+"-"+size+".golden")
			got := after(k.New(Ratio), panes).AppendBinary(nil)
			want, err := os.ReadFile(path)
			if os.IsNotExist(err) && *update {
				err = os.WriteFile(path, got, 0o644)
				want = got
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the form is\n%x, want\n%x", path, got, want)
			}
			d := k.New(Ratio)
			if rest, err := d.ReadBinary(want); err != nil || len(rest) != 0 || !bytes.Equal(d.AppendBinary(nil), want) {
				t.Errorf("%s: read and written again, it is\n%x, rest %x, %v", path, d.AppendBinary(nil), rest, err)
			}
		}
	}
}

func TestReadRefusesCutsVersionsAndOptions(t *testing.T) {
	for name, empty := range variants() {
		d := after(empty(), goldenPanes())
		b, fresh := d.AppendBinary(nil), empty().AppendBinary(nil)
		for n := range b {
			r := empty()
			if _, err := r.ReadBinary(b[:n]); err == nil || !strings.HasPrefix(err.Error(), "read ") {
				t.Fatalf("%s: read the first %d of %d bytes: %v", name, n, len(b), err)
			}
			if !bytes.Equal(r.AppendBinary(nil), fresh) {
				t.Fatalf("%s: a failed read changed the detector", name)
			}
		}
		for other, another := range variants() {
			same := bytes.Equal(another().AppendBinary(nil), fresh)
			if _, err := another().ReadBinary(b); (err == nil) != same {
				t.Errorf("%s read by %s: %v", name, other, err)
			}
		}
		b[0]++
		if _, err := empty().ReadBinary(b); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
			t.Errorf("%s: version 2: %v", name, err)
		}
	}
}

// TestReadRefusesDamage changes what is read so that each rule of a reader is broken once.
func TestReadRefusesDamage(t *testing.T) {
	ddm := func(change func(*DDM)) Detector {
		d := after(NewDDM(DDMOptions{}), goldenPanes()[:100]).(*DDM)
		change(d)
		return d
	}
	ph := func(change func(*PageHinkley)) Detector {
		d := after(NewPageHinkley(PageHinkleyOptions{}), goldenPanes()[:100]).(*PageHinkley)
		change(d)
		return d
	}
	adwin := func(change func(*ADWIN)) Detector {
		d := after(NewADWIN(ADWINOptions{}), goldenPanes()[:100]).(*ADWIN)
		change(d)
		return d
	}
	hddma := func(change func(*HDDMA)) Detector {
		d := after(NewHDDMA(HDDMOptions{TwoSided: true}), goldenPanes()[:100]).(*HDDMA)
		change(d)
		return d
	}
	hddmw := func(change func(*HDDMW)) Detector {
		d := after(NewHDDMW(HDDMWOptions{}), goldenPanes()[:100]).(*HDDMW)
		change(d)
		return d
	}
	for name, d := range map[string]Detector{
		"began without a change":     ddm(func(d *DDM) { d.state.Began = 1 }),
		"warning without its pane":   ddm(func(d *DDM) { d.state.Level, d.warned = Warning, 0 }),
		"warned in the future":       ddm(func(d *DDM) { d.state.Level, d.warned = Warning, 101 }),
		"more than was seen":         ddm(func(d *DDM) { d.total.panes = 101 }),
		"more errors than values":    ddm(func(d *DDM) { d.total.sum = d.total.n + 1 }),
		"negative errors":            ddm(func(d *DDM) { d.total.sum = -1 }),
		"fewer values than panes":    ddm(func(d *DDM) { d.total.sum, d.total.n = 0, 3 }),
		"values without panes":       ddm(func(d *DDM) { d.total.panes = 0 }),
		"infinite":                   ddm(func(d *DDM) { d.total.n = math.Inf(1) }),
		"minimum above 1":            ddm(func(d *DDM) { d.low.p = 1.5 }),
		"minimum is no number":       ddm(func(d *DDM) { d.low.s = math.NaN() }),
		"sum below its minimum":      ph(func(d *PageHinkley) { d.up.low = d.up.sum + 1 }),
		"minimum in the future":      ph(func(d *PageHinkley) { d.down.at = 101 }),
		"no minimum":                 ph(func(d *PageHinkley) { d.up.at = 0 }),
		"panes in the future":        ph(func(d *PageHinkley) { d.panes = 101 }),
		"mean too large":             ph(func(d *PageHinkley) { d.mean = 1e200 }),
		"squares too large":          ph(func(d *PageHinkley) { d.squares = 1e300 }),
		"bucket of no such row":      adwin(func(d *ADWIN) { d.buckets[0].row = 24 }),
		"buckets in disorder":        adwin(func(d *ADWIN) { d.buckets[3].row = 9 }),
		"six of a row":               adwin(func(d *ADWIN) { d.buckets = append(d.buckets[:1:1], d.buckets...) }),
		"bucket without room":        adwin(func(d *ADWIN) { d.buckets[1].first = d.buckets[0].first + 1 }),
		"bucket before the time":     adwin(func(d *ADWIN) { d.buckets[0].first = 0 }),
		"bucket in the future":       adwin(func(d *ADWIN) { d.buckets[len(d.buckets)-1].first = 101 }),
		"bucket of few values":       adwin(func(d *ADWIN) { d.buckets[0].n = 1 }),
		"bucket of negative squares": adwin(func(d *ADWIN) { d.buckets[0].squares = -1 }),
		"window beyond what was":     adwin(func(d *ADWIN) { d.panes = 50 }),
		"quiet without warnings":     hddma(func(d *HDDMA) { d.quiet = d.total }),
		"cut in the future":          hddma(func(d *HDDMA) { d.up.at = 101 }),
		"no cut":                     hddma(func(d *HDDMA) { d.down.at = 0 }),
		"part larger than all":       hddma(func(d *HDDMA) { d.up.n = d.total.n + 1 }),
		"average above 1":            hddmw(func(d *HDDMW) { d.total.mean = 1.1 }),
		"squares above 1":            hddmw(func(d *HDDMW) { d.up.since.squares = 1.1 }),
		"no average before":          hddmw(func(d *HDDMW) { d.up.before.squares = 0 }),
	} {
		form := d.AppendBinary(nil)
		d.Reset()
		if _, err := d.ReadBinary(form); err == nil {
			t.Errorf("%s: read %x", name, form)
		}
	}
}

// fuzzDetector checks that a reader never panics, and that what it accepts has one form and can go on.
func fuzzDetector(f *testing.F, name string) {
	k, _ := LookupDetector(name)
	for _, n := range []int{0, 5, 100, 115, 150} {
		form := after(k.New(Ratio), goldenPanes()[:n]).AppendBinary(nil)
		f.Add(form)
		f.Add(form[:len(form)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, again := k.New(Ratio), k.New(Ratio)
		rest, err := d.ReadBinary(b)
		if err != nil {
			return
		}
		if len(rest) > len(b) {
			t.Fatalf("%d bytes rest of %d", len(rest), len(b))
		}
		form := d.AppendBinary(nil)
		if rest, err := again.ReadBinary(form); err != nil || len(rest) > 0 || !bytes.Equal(again.AppendBinary(nil), form) {
			t.Fatalf("%x was read as %x, and that as %x, rest %x, %v", b, form, again.AppendBinary(nil), rest, err)
		}
		for range 100 {
			for _, p := range []pane{{0, 10}, {10, 10}, {1e9, 1e9}, {maxSum, math.MaxUint64}, {0, 0}} {
				d.Update(p.sum, p.n)
				if s := d.State(); s.Level != OK && s.Level != Warning && s.Level != Change {
					t.Fatalf("state %v", s)
				}
			}
		}
		if d.Bytes() > 8<<10 {
			t.Fatalf("%d bytes", d.Bytes())
		}
		form = d.AppendBinary(nil)
		if _, err := again.ReadBinary(form); err == nil && !bytes.Equal(again.AppendBinary(nil), form) {
			t.Fatalf("%x is read as another", form)
		}
	})
}

func FuzzADWIN(f *testing.F)       { fuzzDetector(f, "adwin") }
func FuzzPageHinkley(f *testing.F) { fuzzDetector(f, "page_hinkley") }
func FuzzDDM(f *testing.F)         { fuzzDetector(f, "ddm") }
func FuzzHDDMA(f *testing.F)       { fuzzDetector(f, "hddm_a") }
func FuzzHDDMW(f *testing.F)       { fuzzDetector(f, "hddm_w") }
