package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// Format is the version of the report's JSON.
const Format = 1

// Bounds of a report, so that it stays small.
const (
	// maxVersions is of how many versions of a model features and answers are told in detail: those with the most events.
	maxVersions = 3
	// maxPoints is how many points a line has at most.
	maxPoints = 120
	// maxResults is how many results are told as they are.
	maxResults = 2000
)

// Report is all that a report tells. Undefined numbers are nil, and left out.
type Report struct {
	Format int `json:"streammon_report"`
	// Source says what it was made of, as "replay" or "run".
	Source string `json:"source"`
	// End is that of the newest window; zero if there is none.
	End     time.Time       `json:"end,omitzero"`
	Summary []Sentence      `json:"summary"`
	Models  []Model         `json:"models"`
	Ledger  json.RawMessage `json:"ledger"`
	// Config is the config without its secrets; empty if it is not known.
	Config string `json:"config,omitempty"`
	// Results are the newest of each series and window, the objects of `replay --json`; LeftOut is how many there are no room for.
	Results []json.RawMessage `json:"results"`
	LeftOut int               `json:"results_left_out,omitempty"`
}

// Sentence is something that needs attention, or that nothing does.
type Sentence struct {
	// State is "drift", "warning", "worse", "change", "undefined" or "ok".
	State string `json:"state"`
	Model string `json:"model"`
	Text  string `json:"text"`
}

// Model is one model.
type Model struct {
	Name       string          `json:"model"`
	Task       string          `json:"task,omitempty"`
	References []Reference     `json:"references,omitempty"`
	Labels     json.RawMessage `json:"labels,omitempty"`
	// Windows are the newest of all traffic, and Segments those of the main window's length by segment.
	Windows  []Window  `json:"windows"`
	Segments []Window  `json:"segments,omitempty"`
	Versions []Version `json:"versions"`
	// Episodes of all that is known of the past, the newest first; Older is how many more there are.
	Episodes []Episode `json:"episodes,omitempty"`
	Older    int       `json:"episodes_left_out,omitempty"`
}

// Reference says what a reference was built from; Version is empty for all versions.
type Reference struct {
	Version     string   `json:"version"`
	Fingerprint string   `json:"fingerprint"`
	Rows        uint64   `json:"rows,omitempty"`
	Inputs      []string `json:"inputs,omitempty"`
	Builder     string   `json:"builder,omitempty"`
	First       string   `json:"first_event,omitempty"`
	Last        string   `json:"last_event,omitempty"`
}

// Window is a result in a line.
type Window struct {
	Version  string    `json:"version"`
	Segment  string    `json:"segment"`
	Window   string    `json:"window"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Complete bool      `json:"complete"`
	Events   uint64    `json:"events"`
	Rate     *float64  `json:"requests_per_second,omitempty"`
	Errors   *float64  `json:"error_ratio,omitempty"`
	Latency  *float64  `json:"latency_seconds_p95,omitempty"`
	Drifted  []string  `json:"drifted,omitempty"`
	Warned   []string  `json:"warned,omitempty"`
	Judged   int       `json:"judged"`
	// Answers is the state of the answers, if it is known, by Figure.
	Answers string   `json:"answers,omitempty"`
	Figure  string   `json:"figure,omitempty"`
	Value   *float64 `json:"value,omitempty"`
}

// Version is what is told in detail of a version, of all traffic in the main window: the longest that is complete.
type Version struct {
	Version     string       `json:"version"`
	Window      Window       `json:"window"`
	Features    []Feature    `json:"features"`
	Performance *Performance `json:"performance,omitempty"`
	KPIs        []Named      `json:"kpis,omitempty"`
}

// Named is a number with a name.
type Named struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Feature is what is known of a feature.
type Feature struct {
	Name        string        `json:"name"`
	Type        string        `json:"type"`
	State       string        `json:"state,omitempty"`
	Calibration string        `json:"calibration,omitempty"`
	Text        string        `json:"text,omitempty"` // what moved
	Count       uint64        `json:"count"`
	Needs       uint64        `json:"needs,omitempty"` // values that a state takes
	Missing     *float64      `json:"missing_ratio,omitempty"`
	Invalid     *float64      `json:"invalid_ratio,omitempty"`
	Outside     *float64      `json:"outside_ratio,omitempty"` // out of the reference's range, or unseen
	Mean        *float64      `json:"mean,omitempty"`
	StdDev      *float64      `json:"stddev,omitempty"`
	Median      *float64      `json:"median,omitempty"`
	Distinct    *uint64       `json:"distinct,omitempty"`
	Statistics  []Statistic   `json:"statistics,omitempty"`
	Shares      *Distribution `json:"distribution,omitempty"`
	History     []Line        `json:"history,omitempty"`
}

// Statistic between the reference and the window; Decides marks the one that gives the state.
type Statistic struct {
	Name      string   `json:"statistic"`
	Decides   bool     `json:"decides,omitempty"`
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	PValue    *float64 `json:"pvalue,omitempty"`
}

// Distribution has the shares of bins, whose names are intervals or categories.
type Distribution struct {
	Bins      []string  `json:"bins"`
	Reference []float64 `json:"reference"`
	Current   []float64 `json:"current"`
}

// Line is a figure over time: points of Unix seconds and value, thinned.
type Line struct {
	Figure string       `json:"figure"`
	Points [][2]float64 `json:"points"`
}

// Performance is how good answers were by their labels, or probably are.
type Performance struct {
	State    string   `json:"state,omitempty"`
	Figure   string   `json:"decided_by,omitempty"`
	Matched  uint64   `json:"matched"`
	Ratio    *float64 `json:"matched_ratio,omitempty"`
	Delay    *float64 `json:"label_delay_seconds_median,omitempty"`
	Figures  []Figure `json:"figures"`
	Worst    string   `json:"worst_segment,omitempty"`
	Fairness []string `json:"fairness,omitempty"`
	// Curves: the receiver operating characteristic, and how often probabilities came true, now and in the reference.
	ROC         [][2]float64 `json:"roc,omitempty"`
	ROCThen     [][2]float64 `json:"roc_reference,omitempty"`
	Calibration []Calibrated `json:"calibration_curve,omitempty"`
	History     []Line       `json:"history,omitempty"`
}

// Calibrated is a bin of probabilities.
type Calibrated struct {
	Mean   float64 `json:"mean"`
	Share  float64 `json:"share"`
	Weight float64 `json:"weight"`
}

// Figure is a performance figure, with its interval, that of the reference, and its estimate without labels.
type Figure struct {
	Name      string   `json:"figure"`
	At        string   `json:"at,omitempty"`
	Value     *float64 `json:"value,omitempty"`
	Low       *float64 `json:"low,omitempty"`
	High      *float64 `json:"high,omitempty"`
	Reference *float64 `json:"reference,omitempty"`
	Estimate  *float64 `json:"estimate,omitempty"`
}

// Options of a report.
type Options struct {
	// Source says what it is made of.
	Source string
	// Models are those that it tells of; none: all.
	Models []string

	episodes *episodes // nil: those of the history
}

// New makes a report of what is published.
func New(s *monitor.Snapshot, o Options) *Report {
	r := &Report{Format: Format, Source: o.Source, Summary: []Sentence{}, Models: []Model{}, Config: s.ConfigText, Ledger: ledger(s), Results: []json.RawMessage{}}
	if o.episodes == nil {
		o.episodes = newEpisodes()
		o.episodes.history(s.History)
	}
	for i := range s.Models {
		m := &s.Models[i]
		if len(o.Models) > 0 && !slices.Contains(o.Models, m.Model) {
			continue
		}
		var results []*monitor.Result
		for _, x := range s.Results {
			if x.Model != m.Model {
				continue
			}
			results = append(results, x)
			if x.End.After(r.End) {
				r.End = x.End
			}
			if len(r.Results) < maxResults {
				r.Results = append(r.Results, x.AppendJSON(nil))
			} else {
				r.LeftOut++
			}
		}
		model := modelOf(m, results, s.History)
		model.Episodes, model.Older = o.episodes.of(m.Model)
		r.Models = append(r.Models, model)
		r.Summary = append(r.Summary, sentences(m, results, model.Episodes)...)
	}
	slices.SortStableFunc(r.Summary, func(a, b Sentence) int { return cmp.Compare(rank[b.State], rank[a.State]) })
	return r
}

// ledger is the object of the results' last line, with the accounts of labels.
func ledger(s *monitor.Snapshot) json.RawMessage {
	var labels []monitor.ModelLabels
	for i := range s.Models {
		if l := s.Models[i].Labels; l != nil {
			labels = append(labels, monitor.ModelLabels{Model: s.Models[i].Model, LabelStatus: *l})
		}
	}
	return monitor.AppendAccountJSON(nil, &s.Ledger, labels)
}

// tasks by eval.Task.
var tasks = [...]string{eval.None: "", eval.Binary: "binary", eval.Multiclass: "multiclass", eval.Regression: "regression", eval.Ranking: "ranking"}

func modelOf(s *monitor.ModelStatus, results []*monitor.Result, h *monitor.History) Model {
	m := Model{Name: s.Model, Windows: []Window{}, Versions: []Version{}}
	m.Task = tasks[s.Task]
	if s.Labels != nil {
		m.Labels = append(s.Labels.AppendJSON([]byte{'{'}), '}')
	}
	for _, r := range s.References {
		ref := Reference{Version: r.Version, Fingerprint: r.Fingerprint}
		if i := slices.IndexFunc(s.Provenance, func(p monitor.ReferenceProvenance) bool { return p.Version == r.Version }); i >= 0 {
			p := &s.Provenance[i]
			ref.Rows, ref.Inputs, ref.Builder, ref.First, ref.Last = p.Rows, p.Inputs, p.Builder, p.First, p.Last
		}
		m.References = append(m.References, ref)
	}
	main := mainResults(results)
	for _, x := range results {
		if x.Segment == "" {
			m.Windows = append(m.Windows, windowOf(x))
		} else if slices.ContainsFunc(main, func(o *monitor.Result) bool { return o.Version == x.Version && o.Window == x.Window }) {
			m.Segments = append(m.Segments, windowOf(x))
		}
	}
	for _, x := range main {
		m.Versions = append(m.Versions, versionOf(x, h))
	}
	return m
}

// mainResults returns of each version, those with the most events first, the result of all traffic in its longest complete window, or in the
// longest.
func mainResults(results []*monitor.Result) (out []*monitor.Result) {
	best := map[string]*monitor.Result{}
	for _, r := range results {
		if r.Segment != "" {
			continue
		}
		if b := best[r.Version]; b == nil || r.Complete && !b.Complete || r.Complete == b.Complete && r.Length > b.Length {
			best[r.Version] = r
		}
	}
	for _, r := range best {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *monitor.Result) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Version, b.Version))
	})
	return out[:min(len(out), maxVersions)]
}

func windowOf(r *monitor.Result) Window {
	w := Window{
		Version: r.Version, Segment: r.Segment, Window: r.Window, Start: r.Start, End: r.End, Complete: r.Complete, Events: r.Events, Judged: r.Judged,
		Rate: known(r.Service.RequestsPerSecond), Errors: known(r.Service.ErrorRatio), Latency: quantile(r.Service.Latency, "0.95"),
	}
	for i := range r.Features {
		switch f := &r.Features[i]; f.State {
		case monitor.StateDrift:
			w.Drifted = append(w.Drifted, f.Name)
		case monitor.StateWarning:
			w.Warned = append(w.Warned, f.Name)
		}
	}
	if p := r.Performance; p != nil {
		w.Answers = p.State
		if f := deciding(p); f != nil {
			w.Figure, w.Value = FigureTitle(f.Name, f.At), &f.Value
		}
	}
	return w
}

// deciding returns the figure by which answers are judged, or the first that says much; nil if there is none.
func deciding(p *monitor.PerformanceResult) *eval.Figure {
	for i := range p.Figures {
		if f := &p.Figures[i]; p.DecidedBy != "" && f.Name == p.DecidedBy && f.At == p.DecidedAt {
			return f
		}
	}
	if main := eval.Main(p.Figures); len(main) > 0 {
		return &main[0]
	}
	return nil
}

// known returns a defined figure, else nil.
func known(f monitor.Figure) *float64 {
	if f.IsZero() {
		return nil
	}
	x := float64(f)
	return &x
}

func quantile(q monitor.Quantiles, name string) *float64 {
	for _, x := range q {
		if x.Q == name {
			return known(x.Value)
		}
	}
	return nil
}

// WriteJSON writes the report.
func (r *Report) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = w.Write(append(monitor.EscapeControls(b), '\n'))
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Read reads what WriteJSON wrote.
func Read(b []byte) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("read report: it has format %d, not %d", r.Format, Format)
	}
	return r, nil
}
