package web

import (
	"net/http"
	"slices"

	"github.com/streammon/streammon/internal/monitor"
)

// columnJSON names a column of a history.
type columnJSON struct {
	Feature string `json:"feature,omitempty"`
	Figure  string `json:"figure"`
	At      string `json:"at,omitempty"`
}

// historyJSON is what .../history answers: without a figure the columns that there are, else the points of one.
type historyJSON struct {
	Model   string       `json:"model"`
	Window  string       `json:"window"`
	Left    int          `json:"left_out,omitempty"`
	Columns []columnJSON `json:"columns,omitempty"`
	Column  *columnJSON  `json:"column,omitempty"`
	Series  []trackJSON  `json:"series"`
}

// trackJSON is one series; points without a value are left out.
type trackJSON struct {
	Version string      `json:"version"`
	Segment string      `json:"segment"`
	Labels  bool        `json:"labels,omitempty"`
	Slide   float64     `json:"slide_seconds"`
	First   string      `json:"first,omitempty"`
	Last    string      `json:"last,omitempty"`
	Count   int         `json:"count"`
	Points  []pointJSON `json:"points,omitempty"`
}

type pointJSON struct {
	End      string  `json:"end"`
	Events   uint64  `json:"events"`
	Complete bool    `json:"complete"`
	Value    float32 `json:"value"`
}

// history answers the history of a model's window: /api/v1/models/{model}/windows/{window}/history?figure=psi&feature=amount, of one segment (all
// traffic if there is none in the address), and of all versions unless it names one.
func (h *handler) history(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot()
	model, window := r.PathValue("model"), r.PathValue("window")
	if !hasModel(s, model) {
		http.Error(w, "no such model", http.StatusNotFound)
		return
	}
	q, wrong := query(r, "figure", "feature", "at", "version", "segment")
	if wrong == "" && q.Get("figure") == "" && (q.Get("feature") != "" || q.Get("at") != "") {
		wrong = "feature and at are of a figure: figure is missing"
	}
	if wrong != "" {
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
	var column *columnJSON
	if q.Get("figure") != "" {
		column = &columnJSON{q.Get("feature"), q.Get("figure"), q.Get("at")}
	}
	b, err := marshal(historyOf(s.History, model, window, q["version"], q.Get("segment"), column))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	replyAlone(w, r, b)
}

func historyOf(h *monitor.History, model, window string, versions []string, segment string, column *columnJSON) *historyJSON {
	out := &historyJSON{Model: model, Window: window, Left: h.Left(), Column: column, Series: []trackJSON{}}
	for _, t := range h.Tracks() {
		if t.Model != model || t.Window != window || t.Segment != segment || len(versions) > 0 && !slices.Contains(versions, t.Version) {
			continue
		}
		j := trackJSON{Version: t.Version, Segment: t.Segment, Labels: t.Labels, Slide: float64(t.Slide) / 1e9, Count: t.Len()}
		if j.Count > 0 {
			j.First, j.Last = formatTime(t.First().UnixNano()), formatTime(t.Last().UnixNano())
		}
		if column == nil {
			for _, c := range t.Columns() {
				addNew(&out.Columns, columnJSON(c))
			}
		} else if j.Points = pointsOf(t, monitor.Column(*column)); len(j.Points) == 0 {
			continue
		}
		out.Series = append(out.Series, j)
	}
	return out
}

func pointsOf(t *monitor.Track, c monitor.Column) (out []pointJSON) {
	for _, p := range t.Points(c) {
		if !p.Value.IsZero() {
			out = append(out, pointJSON{formatTime(p.End), p.Events, p.Complete, float32(p.Value)})
		}
	}
	return out
}
