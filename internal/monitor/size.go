package monitor

import (
	"unsafe"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
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
			s.Usual += versions * (size.Usual + own + maxLatency/4)
			s.Most += versions * (size.Most + own + maxLatency)
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
	contents := int64(0)
	for _, w := range g.Windows {
		n := w.Length / window.Slide(w.Length, g.Pane)
		contents += 2*n + 2 // the panes and suffixes of a block, which go as those of the next come, the prefix, the window
	}
	contents += int64(len(window.TierLengths(g.Pane)))
	if t := g.trailing(); t > 0 {
		contents += t/trailTier + 2*int64(len(g.Windows))
	}
	detectors := int64(0)
	for _, m := range g.Models {
		for i := range m.watches {
			detectors += int64(len(m.watches[i].kinds)) * maxDetector
		}
	}
	open := (g.Lateness+g.Pane-1)/g.Pane + 2
	one, all := g.paneSize(1), g.paneSize(budgetVersions)
	// Each lane has open panes, and sealed ones that wait for the others.
	waiting, copies := 2*open, int64(1)
	if saved {
		copies = 4 // what changes meanwhile, the encoded form, and the store's page and buffer
	}
	// A lane remembers ids of two kinds in buckets; as a rule a quarter of what it may.
	ids := int64(0)
	if g.Deduplicate > 0 {
		buckets := (g.Lateness+g.Pane)/g.Deduplicate + 4
		ids = int64(lanes) * 2 * buckets * 2 * int64(g.MaxIDs) * maxIDBytes
	}
	learningUsual, learning := g.learningMemory(int64(lanes))
	ids += learning
	kept := int64(views)*(maxView+drift.MemoBytes) + g.prepared()
	usual = kept + (ids-learning)/4 + learningUsual + int64(views)*(detectors/4+contents*one.Usual) + copies*int64(lanes)*(open*(one.Usual+one.Open)+waiting*one.Usual)
	most = kept + ids + int64(views)*(MaxLiveVersions*detectors+contents*all.Most) + copies*int64(lanes)*(open*(all.Most+all.Open)+waiting*all.Most)
	return usual, most
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
