package monitor

import (
	"runtime"
	"testing"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
)

// TestMemoryOfViews: the budget of a group has what each view takes for itself, and what each reference keeps for comparisons.
func TestMemoryOfViews(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	bare := &Group{Schema: event.Schema{}, Pane: 10 * second, Lateness: 30 * second}
	const n = 50
	before, views := heap(), make([]*View, n)
	for i := range views {
		views[i] = NewView(bare, 1)
	}
	each := (heap() - before) / n
	runtime.KeepAlive(views)
	if usual, most := bare.Memory(1, 1, false); usual < each*9/10 || most < each*9/10 {
		t.Errorf("a view takes %d bytes, the budget has %d, and %d", each, usual, most)
	}

	g := referencedGroup(t)
	plain := *g
	plain.Models = []*Model{NewModel(ModelConfig{Name: "m", Features: []int{0}}, &g.Schema)}
	_, with := g.Memory(0, 1, false)
	_, without := plain.Memory(0, 1, false)
	if with-without < drift.PreparedBytes {
		t.Errorf("the reference of a numeric feature makes the budget %d bytes larger, and keeps %d", with-without, drift.PreparedBytes)
	}
}
