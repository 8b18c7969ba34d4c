package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/monitor"
)

// TestKPIFailuresOfLanes: those of all lanes are added up, and being shown changes none.
func TestKPIFailuresOfLanes(t *testing.T) {
	m := plainGroup()
	e, err := kpi.Compile("inverse", "sum(1 / features.x)", kpi.Vars{Features: m.Schema.Features})
	if err != nil {
		t.Fatal(err)
	}
	c := monitor.ConfigOf(m.Models[0])
	c.KPIs = kpi.NewSet(e)
	m.Models[0] = monitor.NewModel(c, &m.Schema)
	g := NewGroup(m, decode.Options{}, nil, 0, true)
	g.Grow(3)
	for i := range 3 {
		for range i + 1 {
			g.Lane(i).shard.Apply(&event.Event{Time: noon.UnixNano(), Features: []event.Value{{State: event.Valid}}, Segments: [][]byte{}})
		}
		g.Lane(i).shard.Apply(&event.Event{Time: noon.UnixNano(), Features: []event.Value{{State: event.Missing}}, Segments: [][]byte{}})
	}
	for range 2 {
		_, models := g.Show(noon.Add(time.Minute))
		want := []monitor.KPIStatus{{Name: "inverse", Undefined: 3, Failed: 6}}
		if got := models[0].KPIs; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
