package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// modelJSON is an element of /api/v1/models.
type modelJSON struct {
	Model     string          `json:"model"`
	Versions  []string        `json:"versions"`
	Segments  []string        `json:"segments"`
	Windows   []string        `json:"windows"`
	Accepted  uint64          `json:"accepted_events"`
	Late      uint64          `json:"late_events"`
	Duplicate uint64          `json:"duplicate_events"`
	LastEvent string          `json:"last_event,omitempty"`
	Reference []referenceJSON `json:"references"`
}

type referenceJSON struct {
	Version     string `json:"version"`
	Fingerprint string `json:"fingerprint"`
}

func (h *handler) models(w http.ResponseWriter, _ *http.Request) {
	s := h.snapshot()
	out := []modelJSON{}
	for i := range s.Models {
		m := &s.Models[i]
		j := modelJSON{
			Model: m.Model, Accepted: m.Accepted, Late: m.Late, Duplicate: m.Duplicate,
			Versions: []string{}, Segments: []string{}, Windows: []string{}, Reference: []referenceJSON{},
		}
		if m.LastEvent != 0 {
			j.LastEvent = formatTime(m.LastEvent)
		}
		for _, r := range m.References {
			j.Reference = append(j.Reference, referenceJSON(r))
		}
		for _, r := range s.Results {
			if r.Model == m.Model {
				addNew(&j.Versions, r.Version)
				addNew(&j.Segments, r.Segment)
				addNew(&j.Windows, r.Window)
			}
		}
		out = append(out, j)
	}
	writeJSON(w, out)
}

func addNew(list *[]string, s string) {
	if !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

func formatTime(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// window returns the results of a model's window, all versions and segments, as in
// `replay --json`.
func (h *handler) window(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot()
	model, name := r.PathValue("model"), r.PathValue("window")
	if !slices.ContainsFunc(s.Models, func(m monitor.ModelStatus) bool { return m.Model == model }) {
		http.Error(w, "no such model", http.StatusNotFound)
		return
	}
	b := []byte{'['}
	for _, x := range s.Results {
		if x.Model != model || x.Window != name {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = x.AppendJSON(b)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(b, ']', '\n'))
}

type statusJSON struct {
	Ready      bool            `json:"ready"`
	NotReady   string          `json:"not_ready,omitempty"`
	Exporting  bool            `json:"exporting"`
	Published  string          `json:"published,omitempty"`
	Ledger     json.RawMessage `json:"ledger"`
	Partitions []partitionJSON `json:"partitions"`
}

type partitionJSON struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Consumed  uint64 `json:"consumed"`
	Lag       *int64 `json:"lag,omitempty"`
	Watermark string `json:"watermark,omitempty"`
	Gap       uint64 `json:"gap"`
	Skipped   uint64 `json:"skipped_batches"`
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	s := h.snapshot()
	out := statusJSON{Ready: s.NotReady == "", NotReady: s.NotReady, Exporting: s.Exporting, Ledger: ledgerJSON(&s.Ledger), Partitions: []partitionJSON{}}
	if s.At != 0 {
		out.Published = formatTime(s.At)
	}
	for i := range s.Partitions {
		p := &s.Partitions[i]
		j := partitionJSON{Topic: p.Topic, Partition: p.Partition, Consumed: p.Consumed, Gap: p.Gap, Skipped: p.Skipped}
		if p.Lag >= 0 {
			j.Lag = &p.Lag
		}
		if p.Watermark != 0 {
			j.Watermark = formatTime(p.Watermark)
		}
		out.Partitions = append(out.Partitions, j)
	}
	writeJSON(w, out)
}

// ledgerJSON is the inner object of the results' last line.
func ledgerJSON(l *event.Ledger) json.RawMessage {
	b := monitor.AppendLedgerJSON(nil, l)
	return b[len(`{"ledger":`) : len(b)-1]
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(b, '\n'))
}
