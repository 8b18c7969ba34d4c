package web

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// routeAPI adds the paths of the API.
func (h *handler) routeAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/models", h.models)
	mux.HandleFunc("GET /api/v1/models/{model}/windows/{window}", h.window)
	mux.HandleFunc("GET /api/v1/models/{model}/windows/{window}/history", h.history)
	mux.HandleFunc("GET /api/v1/status", h.status)
	mux.HandleFunc("GET /api/v1/report", h.report)
	mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, r *http.Request) { replyAlone(w, r, OpenAPI) })
}

// query reads the query of an address, which may have certain parameters, once each but for versions; wrong says what is wrong with it.
func query(r *http.Request, known ...string) (q url.Values, wrong string) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, "the query cannot be read: " + err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Sprintf("no parameter %q: there are %s", name, strings.Join(known, ", "))
		case len(q[name]) > 1 && name != "version":
			return nil, "one " + name + " at most"
		}
	}
	return q, ""
}

// report answers the JSON of the report, of all models or of the one in the address.
func (h *handler) report(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot()
	q, wrong := query(r, "model")
	if wrong != "" {
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
	models := q["model"]
	if len(models) > 0 && !hasModel(s, models[0]) {
		http.Error(w, "no such model", http.StatusNotFound)
		return
	}
	h.reply(w, r, s, "report\x00"+strings.Join(models, ""), func() ([]byte, error) {
		var b bytes.Buffer
		err := report.New(s, report.Options{Source: "a running monitor", Models: models}).WriteJSON(&b)
		return b.Bytes(), err
	})
}

// OpenAPI describes the API: OpenAPI 3.1, in JSON.
//
//go:embed openapi.json
var OpenAPI []byte

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
	Learning  *learningJSON   `json:"learning,omitempty"`
	Labels    json.RawMessage `json:"labels,omitempty"`
}

// labelsOf is the object of the results' last line, but since the process began; nil if no labels come.
func labelsOf(c *monitor.LabelStatus) json.RawMessage {
	if c == nil {
		return nil
	}
	return append(c.AppendJSON([]byte{'{'}), '}')
}

// learningJSON is of a model whose reference is learned, or was.
type learningJSON struct {
	Done    bool   `json:"done"`
	Until   string `json:"until,omitempty"`
	InForce string `json:"in_force_from,omitempty"`
	Events  uint64 `json:"events,omitempty"`
}

func learningOf(l *monitor.LearningStatus) *learningJSON {
	if l == nil {
		return nil
	}
	out := &learningJSON{Done: l.Done, Events: l.Events}
	if l.Until != 0 {
		out.Until, out.InForce = formatTime(l.Until), formatTime(l.Since)
	}
	return out
}

type referenceJSON struct {
	Version     string `json:"version"`
	Fingerprint string `json:"fingerprint"`
}

func (h *handler) models(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot()
	h.reply(w, r, s, "models", func() ([]byte, error) { return marshal(modelsOf(s)) })
}

func modelsOf(s *monitor.Snapshot) []modelJSON {
	out := []modelJSON{}
	for i := range s.Models {
		m := &s.Models[i]
		j := modelJSON{
			Model: m.Model, Accepted: m.Accepted, Late: m.Late, Duplicate: m.Duplicate,
			Versions: []string{}, Segments: []string{}, Windows: []string{}, Reference: []referenceJSON{},
			Learning: learningOf(m.Learning), Labels: labelsOf(m.Labels),
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
	return out
}

func hasModel(s *monitor.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Models, func(m monitor.ModelStatus) bool { return m.Model == name })
}

func addNew[T comparable](list *[]T, s T) {
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
	if !hasModel(s, model) {
		http.Error(w, "no such model", http.StatusNotFound)
		return
	}
	if !slices.ContainsFunc(s.Results, func(x *monitor.Result) bool { return x.Model == model && x.Window == name }) {
		replyAlone(w, r, []byte("[]\n")) // not kept, because there is no end of such names
		return
	}
	h.reply(w, r, s, "window\x00"+model+"\x00"+name, func() ([]byte, error) { return windowOf(s, model, name), nil })
}

func windowOf(s *monitor.Snapshot, model, name string) []byte {
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
	return append(b, ']', '\n')
}

type statusJSON struct {
	Ready      bool            `json:"ready"`
	NotReady   string          `json:"not_ready,omitempty"`
	Exporting  bool            `json:"exporting"`
	Published  string          `json:"published,omitempty"`
	Ledger     json.RawMessage `json:"ledger"`
	State      *stateJSON      `json:"state,omitempty"`
	Config     *configJSON     `json:"config,omitempty"`
	Partitions []partitionJSON `json:"partitions"`
	Labels     []placementJSON `json:"labels,omitempty"`
}

// placementJSON is what a sample says of the partitions of a topic's labels.
type placementJSON struct {
	Topic       string     `json:"topic"`
	Predictions string     `json:"predictions_topic"`
	Sampled     int        `json:"sampled"`
	Elsewhere   int        `json:"elsewhere"`
	Misplaced   bool       `json:"misplaced"`
	Example     *placeJSON `json:"example,omitempty"`
}

type placeJSON struct {
	Label      int `json:"label_partition"`
	Prediction int `json:"prediction_partition"`
}

func placementsOf(all []monitor.PlacementStatus) (out []placementJSON) {
	for i := range all {
		p := &all[i]
		j := placementJSON{Topic: p.Topic, Predictions: p.Predictions, Sampled: p.Labels, Elsewhere: p.Elsewhere, Misplaced: p.Misplaced}
		if p.Elsewhere > 0 {
			j.Example = &placeJSON{p.Partition, p.Prediction}
		}
		out = append(out, j)
	}
	return out
}

type configJSON struct {
	Loaded string `json:"loaded"`
	Error  string `json:"reload_error,omitempty"`
}

func configOf(c *monitor.ConfigStatus) *configJSON {
	if c == nil {
		return nil
	}
	return &configJSON{formatTime(c.Loaded.UnixNano()), c.Error}
}

// stateJSON is what is known of the state that is kept; the figures of the last save are
// there once there was one.
type stateJSON struct {
	LastSave string            `json:"last_save,omitempty"`
	Interval float64           `json:"interval_seconds"`
	Took     float64           `json:"save_seconds,omitempty"`
	Held     float64           `json:"held_seconds,omitempty"`
	Bytes    int               `json:"save_bytes,omitempty"`
	Saves    uint64            `json:"saves"`
	Failures uint64            `json:"failures"`
	Error    string            `json:"error,omitempty"`
	Resets   map[string]uint64 `json:"resets"`
}

func stateOf(s *monitor.StateStatus) *stateJSON {
	if s == nil {
		return nil
	}
	out := &stateJSON{
		Interval: s.Interval.Seconds(), Took: s.Took.Seconds(), Held: s.Held.Seconds(), Bytes: s.Bytes,
		Saves: s.Saves, Failures: s.Failures, Error: s.Error, Resets: s.Resets,
	}
	if !s.LastSave.IsZero() {
		out.LastSave = s.LastSave.UTC().Format(time.RFC3339Nano)
	}
	if out.Resets == nil {
		out.Resets = map[string]uint64{}
	}
	return out
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

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot()
	h.reply(w, r, s, "status", func() ([]byte, error) { return marshal(statusOf(s)) })
}

func statusOf(s *monitor.Snapshot) *statusJSON {
	out := &statusJSON{
		Ready: s.NotReady == "", NotReady: s.NotReady, Exporting: s.Exporting,
		Ledger: ledgerJSON(&s.Ledger), State: stateOf(s.State), Config: configOf(s.Config), Partitions: []partitionJSON{}, Labels: placementsOf(s.Placements),
	}
	if s.At != 0 {
		out.Published = formatTime(s.At)
	}
	for i := range s.Partitions {
		p := &s.Partitions[i]
		j := partitionJSON{Topic: p.Topic, Partition: p.Partition, Consumed: p.Consumed, Gap: p.Gap}
		for _, s := range p.Skipped {
			j.Skipped += s.Batches
		}
		if p.Lag >= 0 {
			j.Lag = &p.Lag
		}
		if p.Watermark != 0 {
			j.Watermark = formatTime(p.Watermark)
		}
		out.Partitions = append(out.Partitions, j)
	}
	return out
}

// ledgerJSON is the inner object of the results' last line.
func ledgerJSON(l *event.Ledger) json.RawMessage {
	b := monitor.AppendLedgerJSON(nil, l)
	return b[len(`{"ledger":`) : len(b)-1]
}

const typeJSON = "application/json"

func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(monitor.EscapeControls(b), '\n'), err
}
