package sketch

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// goldenValues depend on no library: a linear congruential generator, with ties, two
// signs and five decades.
func goldenValues() []float64 {
	xs := make([]float64, 500)
	state := uint32(1)
	for i := range xs {
		state = state*1664525 + 1013904223
		xs[i] = float64(int32(state)>>16) / float64(int(1)<<(state>>12&15))
	}
	return xs
}

// tester runs a test on one kind of sketch.
type tester interface {
	// encoded returns the binary form of the values.
	encoded(xs []float64) []byte
	// reencoded reads a binary form and appends it again.
	reencoded(b []byte) (again, rest []byte, err error)
	// exercise calls all that can be called on what b has.
	exercise(t *testing.T, b []byte)
}

func (l law[S, P]) encoded(xs []float64) []byte { return form[S](l.of(xs)) }

func (l law[S, P]) reencoded(b []byte) (again, rest []byte, err error) {
	s := l.empty()
	rest, err = P(&s).ReadBinary(b)
	return form[S, P](&s), rest, err
}

func (l law[S, P]) exercise(t *testing.T, b []byte) {
	s, o := l.empty(), l.empty()
	if _, err := P(&s).ReadBinary(b); err != nil {
		return
	}
	if _, err := P(&o).ReadBinary(b); err != nil {
		t.Fatalf("read a second time: %v", err)
	}
	figures(&s)
	if h, ok := any(&s).(*Histogram); ok && h.Bins() == nil {
		return // nothing can be added
	}
	if n, ok := any(&s).(*ExpHistogram); !ok || n.Center() == 0.75 {
		l.merge(&s, &o)
	}
	l.add(&s, []float64{-1, 0, 1e300})
	figures(&s)
	if again, _, err := l.reencoded(form[S, P](&s)); err == nil && !bytes.Equal(again, form[S, P](&s)) {
		t.Fatal("what was merged and added to is read as another")
	}
}

func figures(sketch any) {
	switch s := sketch.(type) {
	case *Moments:
		s.StdDev()
		s.PopulationStdDev()
	case *Histogram:
		s.Total()
	case *ExpHistogram:
		s.Quantile(0.5)
	case *Quantiles:
		s.Quantile(0.5, nil)
	case *Distinct:
		s.Estimate()
	case *TopK:
		s.Items()
	}
}

var testers = map[string]tester{
	"moments":      momentsLaw(),
	"histogram":    histogramLaw(),
	"exphistogram": expLaw(),
	"quantiles":    quantilesLaw(),
	"distinct":     distinctLaw(),
	"topk":         topKLaw(20),
}

// TestGolden compares the binary forms with those that were written when their version
// was made; they may not change unless the version does.
func TestGolden(t *testing.T) {
	for name, l := range testers {
		for size, xs := range map[string][]float64{"empty": nil, "small": goldenValues()[:20], "large": goldenValues()} {
			path := filepath.Join("testdata", name+"-"+size+".golden")
			got := l.encoded(xs)
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
			if again, rest, err := l.reencoded(want); err != nil || len(rest) != 0 || !bytes.Equal(again, want) {
				t.Errorf("%s: read and written again, it is\n%x, rest %x, %v", path, again, rest, err)
			}
		}
	}
}

func TestReadRefusesOtherVersionsAndCutForms(t *testing.T) {
	for name, l := range testers {
		b := l.encoded(goldenValues())
		for n := range b {
			if again, _, err := l.reencoded(b[:n]); err == nil || !strings.HasPrefix(err.Error(), "read ") {
				t.Fatalf("%s: read the first %d of %d bytes: %v", name, n, len(b), err)
			} else if !bytes.Equal(again, l.encoded(nil)) {
				t.Fatalf("%s: a failed read changed the sketch", name)
			}
		}
		b[0]++
		if _, _, err := l.reencoded(b); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
			t.Errorf("%s: version 2: %v", name, err)
		}
	}
}

// TestReadRefusesDamage has one form for each rule that a reader checks.
func TestReadRefusesDamage(t *testing.T) {
	number := func(xs ...float64) (b []byte) {
		for _, x := range xs {
			b = appendFloat(b, x)
		}
		return b
	}
	inf, nan := math.Inf(1), math.NaN()
	full := distinctLaw().encoded(goldenValues())
	for _, c := range []struct {
		name string
		form []byte
	}{
		{"moments", slices.Concat([]byte{1, 2}, number(nan, 0, 1, 0, 1, 2))},
		{"moments", slices.Concat([]byte{1, 2}, number(3, 0, 1, 0, 1, 2))},  // mean above maximum
		{"moments", slices.Concat([]byte{1, 2}, number(1, 1, 1, 0, 1, 2))},  // rest not below the mean's last bit
		{"moments", slices.Concat([]byte{1, 2}, number(1, 0, -1, 0, 1, 2))}, // negative M2
		{"moments", slices.Concat([]byte{1, 2}, number(1, 0, nan, 0, 1, 2))},
		{"moments", slices.Concat([]byte{1, 2}, number(1, 0, inf, 0, 1, 2))}, // infinite without its size
		{"moments", slices.Concat([]byte{1, 2}, number(1, 0, 1, 1, 1, 2))},
		{"moments", slices.Concat([]byte{1, 0}, number(1, 0, 1, 0, 1, 2))}, // figures of nothing
		{"histogram", slices.Concat([]byte{1, 3}, number(1, 1), []byte{0, 0, 0})},
		{"histogram", slices.Concat([]byte{1, 2}, number(inf), []byte{0, 0})},
		{"histogram", slices.Concat([]byte{1, 1}, bytes.Repeat([]byte{0xff}, 8), []byte{0x7f})}, // above 2^53
		{"exphistogram", slices.Concat([]byte{1}, number(nan), []byte{0, 0})},
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 0xff, 0xff, 0xff, 0x7f, 0, 0})}, // bucket beyond all
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 0})},                      // no value in M
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 1, 1, 1})},                // nor here
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 2, 0, 1, 1})},             // buckets above M
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 2, 1, 0, 1, 1})},          // not trimmed
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 2, 1, 1, 0, 1})},          // nor here
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 9, 0, 3, 2, 1, 0, 9, 1})},       // more zeros than buckets
		{"exphistogram", slices.Concat([]byte{1}, number(0), []byte{0, 1, 0, 2, 1, 1, 1})},             // below all floats
		{"quantiles", slices.Concat([]byte{1, 1}, number(0, 1, 2), []byte{1})},                         // above the maximum
		{"quantiles", slices.Concat([]byte{1, 1}, number(0, 1, 1), []byte{0})},                         // no weight
		{"quantiles", slices.Concat([]byte{1, 2}, number(0, 1, 1), []byte{1}, number(0), []byte{1})},   // falling
		{"quantiles", slices.Concat([]byte{1, 1}, number(0, nan, 0), []byte{1})},
		{"distinct", slices.Concat([]byte{1, 2}, number(1, 1))}, // twice
		{"distinct", []byte{1, 66}},
		{"distinct", slices.Concat([]byte{1, 65, 2, 13}, full[4:])},                // another precision
		{"distinct", slices.Concat([]byte{1, 65, 2, 12, 0, 1}, full[6:])},          // sparse
		{"distinct", slices.Concat(full[:len(full)-1], []byte{60})},                // no such register
		{"topk", []byte{1, 1, 2, 0, 2, 1, 'a', 1, 1, 'b', 1}},                      // two keys in one counter
		{"topk", []byte{1, 2, 2, 0, 2, 1, 'b', 1, 1, 'a', 1}},                      // falling
		{"topk", []byte{1, 2, 2, 0, 1, 1, 'b', 0}},                                 // none of a key
		{"topk", []byte{1, 2, 2, 0, 1, 1, 'b', 3}},                                 // more than the total
		{"topk", slices.Concat([]byte{1, 2, 2, 0, 1, 0x81, 2}, make([]byte, 258))}, // a long key
		{"topk", []byte{1, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0}},                       // too many counters
	} {
		if again, _, err := testers[c.name].reencoded(c.form); err == nil {
			t.Errorf("%s: read %x as %x", c.name, c.form, again)
		}
	}
}

// TestReadAllocatesLittle reads forms that announce more than they have.
func TestReadAllocatesLittle(t *testing.T) {
	many := []byte{0x80, 0x80, 0x04}
	for name, b := range map[string][]byte{
		"histogram":    append([]byte{1}, many...),
		"exphistogram": slices.Concat([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, many),
		"quantiles":    append([]byte{1}, many...),
		"topk":         slices.Concat([]byte{1, 5, 5, 0}, many),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := testers[name].reencoded(slices.Concat(b, make([]byte, 100)))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 16<<10 {
			t.Errorf("%s: %d bytes allocated, %v", name, n, err)
		}
	}
}

// fuzzReader checks that a reader never panics, and that what it accepts has one form
// and is good for all operations.
func fuzzReader(f *testing.F, name string) {
	l := testers[name]
	for n := range 3 {
		f.Add(l.encoded(goldenValues()[:n*n*100]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, rest, err := l.reencoded(b)
		if err != nil {
			return
		}
		if len(rest) > len(b) {
			t.Fatalf("%d bytes rest of %d", len(rest), len(b))
		}
		if third, rest, err := l.reencoded(again); err != nil || len(rest) > 0 || !bytes.Equal(third, again) {
			t.Fatalf("%x was read as %x, and that as %x, rest %x, %v", b, again, third, rest, err)
		}
		l.exercise(t, b)
	})
}

func FuzzMoments(f *testing.F)      { fuzzReader(f, "moments") }
func FuzzHistogram(f *testing.F)    { fuzzReader(f, "histogram") }
func FuzzExpHistogram(f *testing.F) { fuzzReader(f, "exphistogram") }
func FuzzQuantiles(f *testing.F)    { fuzzReader(f, "quantiles") }
func FuzzDistinct(f *testing.F)     { fuzzReader(f, "distinct") }
func FuzzTopK(f *testing.F)         { fuzzReader(f, "topk") }

// TestBytes checks that the memory stated is that of the parts that grow.
func TestBytes(t *testing.T) {
	xs := goldenValues()
	for _, c := range []struct {
		name      string
		got       int
		low, high int
	}{
		{"moments", momentsLaw().of(xs).Bytes(), 0, 0},
		{"histogram", histogramLaw().of(xs).Bytes(), 72, 72},
		{"exphistogram", expLaw().of(xs).Bytes(), 2000, 8192},
		{"quantiles", quantilesLaw().of(xs).Bytes(), 1600, 4800},
		{"distinct", distinctLaw().of(xs).Bytes(), 4096, 4200},
		{"distinct", distinctLaw().of(xs[:50]).Bytes(), 400, 800},
		{"topk", topKLaw(20).of(xs).Bytes(), 20 * 25, 20 * 120},
	} {
		if c.got < c.low || c.got > c.high {
			t.Errorf("%s: %d bytes, want %d to %d", c.name, c.got, c.low, c.high)
		}
	}
}
