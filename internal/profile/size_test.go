package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/streammon/streammon/internal/event"
)

// TestSizeIsABound fills sets with values that make their sketches as large as can be.
func TestSizeIsABound(t *testing.T) {
	schema := event.Schema{Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}}}
	reference := func() *Reference {
		b, r := NewBuilder(schema), rand.New(rand.NewPCG(1, 1))
		for range 5000 {
			b.Observe(&event.Event{Features: []event.Value{{State: event.Valid, Number: r.NormFloat64()}, {State: event.Valid, Text: fmt.Append(nil, r.IntN(1000))}}})
		}
		ref, err := b.Build(Provenance{})
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}()
	for _, detailed := range []bool{false, true} {
		l := NewLayout([]FeatureSpec{
			{Feature: schema.Features[0], Source: 0, Reference: reference.Find("x")},
			{Feature: schema.Features[1], Source: 1, Reference: reference.Find("c")},
		}, detailed)
		const sets = 50
		w := NewWorkspace()
		var open, sealed []*Set
		before := heapNow()
		for range sets {
			open = append(open, filled(l, w))
		}
		whileOpen := heapNow()
		runtime.KeepAlive(open)
		w = NewWorkspace()
		open = nil
		empty := heapNow()
		for range sets {
			s := filled(l, w)
			s.Seal(w)
			sealed = append(sealed, s)
		}
		w = nil //nolint:ineffassign // for the garbage collector
		afterwards := heapNow()
		runtime.KeepAlive(sealed)
		size := l.Size()
		most, isOpen := int64(afterwards-empty)/sets, int64(whileOpen-before)/sets
		t.Logf("detailed %v: sealed %d bytes of %d, open %d of %d", detailed, most, size.Most, isOpen, size.Most+size.Open)
		if most > size.Most || isOpen > size.Most+size.Open || most < size.Most/8 || size.Usual > size.Most {
			t.Errorf("detailed %v: the bounds are %+v", detailed, size)
		}
	}
}

func filled(l *Layout, w *Workspace) *Set {
	s := NewSet(l)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		x := math.Ldexp(r.Float64()-0.5, r.IntN(100)-50)
		if i%1500 == 0 {
			x = math.Ldexp(1, r.IntN(2000)-1000)
		}
		c := fmt.Appendf(nil, "%0300d", r.IntN(1e9))
		if i%3 == 0 {
			c = fmt.Append(nil, i%1000)
		}
		s.Observe([]event.Value{{State: event.Valid, Number: x}, {State: event.Valid, Text: c}}, w)
	}
	return &s
}

func heapNow() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
