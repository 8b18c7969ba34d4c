package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	_ "embed"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

//go:embed page.html
var pageText string

// favicon is an empty SVG with a dot: a page without one is asked for in vain.
const favicon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3" fill="#276749"/></svg>`

type handler struct {
	board  *monitor.Board
	page   *template.Template
	shared shared
}

// NewHandler returns the handler of all paths; metrics serves /metrics.
func NewHandler(board *monitor.Board, metrics http.Handler) http.Handler {
	h := &handler{board: board, page: template.Must(template.New("page").Funcs(template.FuncMap{"ago": ago, "visible": visible, "figure": figure}).Parse(pageText))}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /{$}", h.landing)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		w.Write([]byte(favicon))
	})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("healthy\n")) })
	mux.HandleFunc("GET /-/ready", h.ready)
	h.routeAPI(mux)
	return mux
}

// snapshot returns the newest one, or an empty one that is not ready.
func (h *handler) snapshot() *monitor.Snapshot {
	if s := h.board.Load(); s != nil {
		return s
	}
	return &monitor.Snapshot{NotReady: "starting"}
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	if why := h.snapshot().NotReady; why != "" {
		http.Error(w, "not ready: "+why, http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

// pageData is what the landing page shows.
type pageData struct {
	*monitor.Snapshot
	Rows    []pageRow
	Drifted []pageFeature
	// Measured are the windows whose answers are compared with labels, or estimated, and Labelled the models whose labels come.
	Measured []pagePerformance
	Labelled []monitor.ModelStatus
}

// pagePerformance is the performance of a window: its main figures, and those that are estimated.
type pagePerformance struct {
	Result             *monitor.Result
	Performance        *monitor.PerformanceResult
	Delay              string // the median
	Figures, Estimated []eval.Figure
}

func performanceOf(r *monitor.Result) pagePerformance {
	p := r.Performance
	out := pagePerformance{Result: r, Performance: p, Figures: eval.Main(p.Figures), Estimated: eval.Main(p.Estimated)}
	for _, q := range p.Delay {
		if q.Q == "0.5" {
			out.Delay = time.Duration(float64(q.Value) * float64(time.Second)).Round(time.Second).String()
		}
	}
	return out
}

// figure is a performance figure in a few characters.
func figure(f eval.Figure) string {
	at := ""
	if f.At != "" {
		at = "{" + f.At + "}"
	}
	return fmt.Sprintf("%s%s %.4g", strings.TrimPrefix(f.Name, "estimated_"), at, f.Value)
}

type pageRow struct {
	*monitor.Result
	Judgement string
}

type pageFeature struct {
	Result  *monitor.Result
	Feature *monitor.FeatureResult
}

func (h *handler) landing(w http.ResponseWriter, _ *http.Request) {
	s := h.snapshot()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'")
	h.answer(w, s, "page", "text/html; charset=utf-8", func() ([]byte, error) {
		var b bytes.Buffer
		err := h.page.Execute(&b, pageOf(s))
		return b.Bytes(), err
	})
}

func pageOf(s *monitor.Snapshot) pageData {
	data := pageData{Snapshot: s}
	for _, m := range s.Models {
		if m.Labels != nil {
			data.Labelled = append(data.Labelled, m)
		}
	}
	for _, r := range s.Results {
		if r.Segment != "" {
			continue
		}
		data.Rows = append(data.Rows, pageRow{r, judgement(r)})
		if r.Performance != nil {
			data.Measured = append(data.Measured, performanceOf(r))
		}
		for i := range r.Features {
			if f := &r.Features[i]; f.State == monitor.StateDrift || f.State == monitor.StateWarning {
				data.Drifted = append(data.Drifted, pageFeature{r, f})
			}
		}
	}
	return data
}

func judgement(r *monitor.Result) string {
	switch {
	case r.Judged == 0:
		return "no verdict: no reference, or too few events"
	case r.Drifted == 0:
		return "ok"
	}
	return "drift"
}

// visible replaces control characters: a page may be shown by a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// ago says how long before now an event time is, in words.
func ago(t time.Time) string {
	d := time.Since(t)
	if d < 0 {
		d = 0
	}
	return d.Round(time.Second).String() + " ago"
}
