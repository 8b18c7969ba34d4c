package monitor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/sketch"
)

// newKPIs returns an empty tally of the model's business figures; nil if it has none.
func (m *Model) newKPIs() *kpi.Tally {
	if m.config.KPIs == nil {
		return nil
	}
	return m.config.KPIs.NewTally()
}

// kpiKeys returns the keys of Since of the model's business figures, by their names: one whose expression changes is another.
func (m *Model) kpiKeys() map[string]string {
	if m.config.KPIs == nil {
		return nil
	}
	keys := map[string]string{}
	prints := m.config.KPIs.Fingerprints()
	for i, name := range m.config.KPIs.Names() {
		keys[name] = strings.Join([]string{m.Name, "kpi", name, fmt.Sprintf("%x", prints[i])}, "\x00")
	}
	return keys
}

// bindKPIs prepares what computes the models' business figures.
func (s *Shard) bindKPIs() {
	for i, m := range s.group.Models {
		set := m.config.KPIs
		if set == nil {
			continue
		}
		e, err := set.Bind(&s.group.Schema)
		if err != nil {
			panic(err) // the schema has what the model needs
		}
		if s.kpis == nil {
			s.kpis = make([]*kpi.Evaluator, len(s.group.Models))
		}
		s.kpis[i] = e
		for _, name := range set.Names() {
			s.models[i].KPIs = append(s.models[i].KPIs, KPIStatus{Name: name})
		}
	}
}

// evalKPIs returns what an accepted prediction adds to the business figures of its model, until the next call, and counts
// those that leave it out.
func (s *Shard) evalKPIs(ev *event.Event) []kpi.Result {
	if s.kpis == nil || s.kpis[ev.Model] == nil {
		return nil
	}
	results := s.kpis[ev.Model].Eval(ev)
	for i := range results {
		switch results[i].Outcome {
		case kpi.Undefined:
			s.models[ev.Model].KPIs[i].Undefined++
		case kpi.Failed:
			s.models[ev.Model].KPIs[i].Failed++
		}
	}
	return results
}

// appendKPIs writes the tally of business figures, an empty block if there is none.
func (s *series) appendKPIs(b []byte) []byte {
	start := len(b)
	b = sketch.BeginBlock(b)
	if s.kpis != nil {
		b = s.kpis.AppendBinary(b)
	}
	return sketch.EndBlock(b, start)
}

// readKPIs reads what appendKPIs wrote. A figure whose expression is another now begins anew.
func (m *Model) readKPIs(d *sketch.Decoder, s *series) {
	block := d.Block()
	if len(block) == 0 || d.Err() != nil || m.config.KPIs == nil {
		return
	}
	t, rest, err := m.config.KPIs.ReadTally(block)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes follow the tally of figures")
	}
	if err != nil {
		d.Fail(err)
		return
	}
	s.kpis = t
}

// appendKPIs appends the business figures of a result as an object by name.
func appendKPIs(b []byte, figures []kpi.Figure) []byte {
	if len(figures) == 0 {
		return b
	}
	b = append(b, `,"kpis":{`...)
	start := len(b)
	for _, f := range figures {
		b = appendFigure(b, start, f.Name, Figure(f.Value))
	}
	return append(b, '}')
}
