package monitor

import (
	"unsafe"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/join"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// budgetVersions is for how many versions of each model at a time memory is reckoned: the
// old one, the new one, and the others as one.
const budgetVersions = 3

// maxLatency is the most that the latencies of a series take, in bytes.
const maxLatency = 10 << 10

// maxDetector is the most that a detector takes, in bytes.
const maxDetector = 9 << 10

// maxView is the most that a view takes beside its panes and its memo, in bytes: above all room to work in.
const maxView = 64 << 10

// paneSize returns what a pane of the group takes, with so many versions of each model.
func (g *Group) paneSize(versions int64) (s profile.Size) {
	for _, m := range g.Models {
		for i := range m.segments {
			l := m.common.full
			if i > 0 {
				l = m.common.compact
			}
			size, own := l.Size(), int64(unsafe.Sizeof(series{}))
			if m.config.KPIs != nil {
				own += int64(m.config.KPIs.TallyBytes())
			}
			answers := m.answerBytes(g.onLabels)
			s.Usual += versions * (size.Usual + own + (maxLatency+answers)/4)
			s.Most += versions * (size.Most + own + maxLatency + answers)
			s.Open += versions * size.Open
			if m.Learns() {
				expected := m.columns.ExpectedBins()
				s.Usual += versions * expected / 4
				s.Most += versions * expected
			}
		}
	}
	return s
}

// answerBytes returns what is known of the answers of a series at most: with labels, where delays are in the place of latencies, or without.
func (m *Model) answerBytes(onLabels bool) int64 {
	switch p := m.config.Performance; {
	case onLabels && p.joined():
		return int64(unsafe.Sizeof(labelled{})) + int64(p.Spec.TallyBytes())
	case !onLabels && p.estimates():
		return int64(p.Spec.EstimateBytes())
	}
	return 0
}

// PaneSize returns what a sealed pane takes with one version of each model and the traffic of most
// services, in bytes.
func (g *Group) PaneSize() int64 { return g.paneSize(1).Usual }

// prepared returns what the references of the group, and those that it learns, keep for comparisons.
func (g *Group) prepared() int64 {
	features := 0
	for _, m := range g.Models {
		layouts := []*profile.Layout{m.common.full}
		for _, l := range m.versions {
			layouts = append(layouts, l.full)
		}
		for _, l := range layouts {
			for i := range l.Features {
				if f := &l.Features[i]; f.Type == event.Numeric && (f.Reference != nil || m.Learns()) {
					features++
				}
			}
		}
	}
	return int64(features) * drift.PreparedBytes
}

// Memory returns how many bytes the group takes with so many lanes and views: usual is with
// one version a model and the traffic of most services, most is the budget, with three versions a
// model and traffic of any kind. saved is set if snapshots are made, which copy what is open.
// Lanes that wait for a slower one come on top.
func (g *Group) Memory(lanes, views int, saved bool) (usual, most int64) {
	detectors := int64(0)
	for _, m := range g.Models {
		for _, w := range m.watches {
			detectors += int64(len(w.kinds)) * maxDetector
		}
		for _, w := range m.labels.watches {
			detectors += int64(len(w.kinds)) * maxDetector
		}
	}
	one, all := g.paneSize(1), g.paneSize(budgetVersions)
	contents, open, copies := g.contents(), g.openPanes(), copiesOf(saved)
	waiting := 2 * open // sealed ones of a lane, that wait for the others
	// A lane remembers ids of two kinds in buckets; as a rule a quarter of what it may.
	ids := int64(0)
	if g.Deduplicate > 0 {
		buckets := (g.Lateness+g.Pane)/g.Deduplicate + 4
		ids = int64(lanes) * 2 * buckets * 2 * int64(g.MaxIDs) * maxIDBytes
	}
	learningUsual, learning := g.learningMemory(int64(lanes))
	ids += learning
	kept := int64(views)*(maxView+drift.MemoBytes) + g.prepared()
	labelsUsual, labels := g.labelMemory(int64(lanes), int64(views), saved)
	historyUsual, history := g.historyMemory()
	labelsUsual, labels = labelsUsual+historyUsual, labels+history
	usual = kept + (ids-learning)/4 + learningUsual + labelsUsual + int64(views)*(detectors/4+contents*one.Usual) + copies*int64(lanes)*(open*(one.Usual+one.Open)+waiting*one.Usual)
	most = kept + ids + labels + int64(views)*(MaxLiveVersions*detectors+contents*all.Most) + copies*int64(lanes)*(open*(all.Most+all.Open)+waiting*all.Most)
	return usual, most
}

// contents returns how many panes, or sums of such, a view has.
func (g *Group) contents() (n int64) {
	for _, w := range g.Windows {
		panes := w.Length / window.Slide(w.Length, g.Pane)
		n += panes + window.KeptSuffixes(panes) + 2 // the panes of two blocks, of which one goes as the next comes, suffixes, the prefix, the window
	}
	n += int64(len(window.TierLengths(g.Pane)))
	if t := g.trailing(); t > 0 {
		n += t/trailTier + 2*int64(len(g.Windows))
	}
	return n
}

// openPanes returns how many open panes a lane has.
func (g *Group) openPanes() int64 { return (g.Lateness+g.Pane-1)/g.Pane + 2 }

// copiesOf returns how often there is what changes, if it is saved: what changes meanwhile, the encoded form, and the store's page and buffer.
func copiesOf(saved bool) int64 {
	if saved {
		return 4
	}
	return 1
}

// labelMemory returns what predictions and labels take that wait for each other, and the panes of labels.
func (g *Group) labelMemory(lanes, views int64, saved bool) (usual, most int64) {
	l := g.Labels()
	if l == nil {
		return 0, 0
	}
	for _, m := range l.Models {
		p := m.config.Performance
		if !p.joined() {
			continue
		}
		binary := p.Spec.Task == eval.Binary
		row, mark := int64(join.RowBytes(p.Spec.PredictionBytes(), binary)), int64(5)
		if binary {
			mark = 2
		}
		if saved {
			row += 2 * mark // the marks as they were, and their encoded form
		}
		most += lanes * int64(p.MaxPending) * row
	}
	most += copiesOf(saved) * lanes * WaitingLabelBytes
	usual = most / 4 // as a rule a quarter of what may wait does
	historyUsual, history := l.historyMemory()
	usual, most = usual+historyUsual, most+history
	one, all := l.paneSize(1), l.paneSize(budgetVersions)
	panes := views*l.contents() + copiesOf(saved)*lanes*2*l.openPanes()
	return usual + panes*one.Usual, most + panes*all.Most
}

// learningMemory returns what is gathered while references are learned, and building them.
func (g *Group) learningMemory(lanes int64) (usual, most int64) {
	for _, m := range g.Models {
		if m.Learns() {
			u, b := m.columns.SampleSize()
			usual, most = usual+lanes*u, most+(lanes+2)*b
		}
	}
	return usual, most
}
