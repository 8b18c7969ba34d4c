package web

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

//go:embed pages
var files embed.FS

// favicon is a dot: a page without one is asked for in vain.
const favicon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3" fill="#276749"/></svg>`

// policy lets pages load what this server serves and nothing else, and no script or style that is part of a page: whatever a name
// contains, it is text.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// templates has the pages, each with the frame around it.
var templates = parsePages("overview", "model", "feature", "status", "missing")

func parsePages(names ...string) map[string]*template.Template {
	out := map[string]*template.Template{}
	for _, n := range names {
		out[n] = template.Must(template.New("frame.html").Funcs(pageFuncs).ParseFS(files, "pages/frame.html", "pages/parts.html", "pages/"+n+".html"))
	}
	return out
}

var pageFuncs = template.FuncMap{
	"v": report.Visible, "version": versionName, "segment": segmentName, "number": number, "count": report.Count, "percent": percent, "word": word, "class": class,
	"escape": url.QueryEscape, "stamp": stamp, "unit": func(s string) string { return strings.ReplaceAll(s, "_", " ") }, "dec": func(n int) int { return n - 1 },
}

// routePages adds the pages and what they load.
func (h *handler) routePages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", h.page("overview", h.overview))
	mux.HandleFunc("GET /model", h.page("model", h.model))
	mux.HandleFunc("GET /feature", h.page("feature", h.feature))
	mux.HandleFunc("GET /status", h.page("status", h.statusPage))
	style, _ := files.ReadFile("pages/style.css")
	script, _ := files.ReadFile("pages/refresh.js")
	for path, x := range map[string]struct {
		kind string
		body []byte
	}{
		"/favicon.ico":       {"image/svg+xml", []byte(favicon)},
		"/assets/style.css":  {"text/css; charset=utf-8", append([]byte(chart.Style), style...)},
		"/assets/refresh.js": {"text/javascript; charset=utf-8", script},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", x.kind)
			w.Header().Set("Cache-Control", "max-age=300")
			w.Header().Set("Content-Length", strconv.Itoa(len(x.body)))
			w.Write(x.body)
		})
	}
}

// guardAnswer says what a browser may do with an answer: load nothing from elsewhere, show it in no frame, and guess no type.
func guardAnswer(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// frame is what all pages have in common.
type frame struct {
	Title, Here string
	Snapshot    *monitor.Snapshot
	Now         time.Time
	// Old is how long ago the monitor published, if that is long.
	Old  string
	Page any
}

// view is what a page is made of: a snapshot, the time, and the part of the address that it heeds, in a canonical form.
type view struct {
	*monitor.Snapshot
	now   time.Time
	query url.Values
}

// maker makes a page; key tells pages of one snapshot apart, and is bounded by what there is in it; a page without one is made anew each
// time. A page that is nil is not there.
type maker func(v *view) (title, key string, make func() any)

// page serves a page.
func (h *handler) page(name string, of maker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &view{h.snapshot(), h.now(), r.URL.Query()}
		if v.query.Has("of") {
			http.Redirect(w, r, r.URL.Path+"?"+v.chosen(), http.StatusSeeOther)
			return
		}
		title, key, f := of(v)
		if f == nil {
			h.missing(w, v, title)
			return
		}
		if key != "" {
			key = name + "\x00" + key
		}
		h.answer(w, v.Snapshot, key, typeHTML, func() ([]byte, error) { return v.render(name, title, f()) })
	}
}

const typeHTML = "text/html; charset=utf-8"

// missing says that something is not there.
func (h *handler) missing(w http.ResponseWriter, v *view, what string) {
	b, err := v.render("missing", "Not found", what)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", typeHTML)
	w.WriteHeader(http.StatusNotFound)
	w.Write(b)
}

// oldAfter is from when on a page says that the monitor publishes no more.
const oldAfter = 30 * time.Second

func (v *view) render(name, title string, page any) ([]byte, error) {
	f := frame{Title: title, Here: name, Snapshot: v.Snapshot, Now: v.now.UTC(), Page: page}
	if age := v.now.Sub(time.Unix(0, v.At)); v.At != 0 && age > oldAfter {
		f.Old = duration(age)
	}
	var b bytes.Buffer
	err := templates[name].Execute(&b, f)
	return b.Bytes(), err
}

// link returns an address within this server; pairs are names and values of its query. Of one that comes twice the last counts, and empty
// ones are left out, but for the version, which may be none.
func link(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" && pairs[i] != "version" {
			q.Del(pairs[i])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// selection is what a page of a model is about, and what else could be chosen.
type selection struct {
	Model, Version, Segment, Window string
	Versions, Segments, Windows     []string
	Tab, Feature, Sort              string
	// Last, or From and To, are the time that pictures show; all three empty: all that is kept.
	Last, From, To string
}

// noSelection is said instead of a page that is not there.
const noSelection = "There is no such model, or it has no such version, segment or window now, or the times in the address are none."

// selectionOf reads the address; false if the model, or what it names of it, is not there.
func (v *view) selectionOf() (s selection, ok bool) {
	s = selection{Model: v.query.Get("name"), Tab: v.query.Get("tab"), Feature: v.query.Get("feature"), Sort: v.query.Get("sort")}
	if !hasModel(v.Snapshot, s.Model) {
		return s, false
	}
	lengths := map[string]int64{}
	most := uint64(0)
	for _, r := range v.Results {
		if r.Model != s.Model {
			continue
		}
		addNew(&s.Versions, r.Version)
		addNew(&s.Segments, r.Segment)
		addNew(&s.Windows, r.Window)
		lengths[r.Window] = r.Length
	}
	slices.SortStableFunc(s.Windows, func(a, b string) int { return cmp.Compare(lengths[a], lengths[b]) })
	if len(s.Windows) > 0 {
		s.Window = s.Windows[0]
	}
	for _, r := range v.Results {
		if r.Model == s.Model && r.Segment == "" && r.Window == s.Window && (r.Events > most || s.Version == "") {
			most, s.Version = r.Events, r.Version
		}
	}
	for _, c := range []struct {
		name string
		into *string
		of   []string
	}{{"version", &s.Version, s.Versions}, {"segment", &s.Segment, s.Segments}, {"window", &s.Window, s.Windows}} {
		if want, given := v.query[c.name]; given && len(c.of) > 0 {
			if !slices.Contains(c.of, want[0]) {
				return s, false
			}
			*c.into = want[0]
		}
	}
	return s, s.zoomOf(v)
}

// key tells selections apart; empty with times of which there is no end.
func (s *selection) key() string {
	if s.From != "" {
		return ""
	}
	return strings.Join([]string{s.Model, s.Version, s.Segment, s.Window, s.Tab, s.Feature, s.Sort, s.Last}, "\x00")
}

// link returns the address of a page with this selection, but for what pairs say.
func (s *selection) link(path string, pairs ...string) string {
	all := []string{"name", s.Model, "tab", s.Tab, "feature", s.Feature, "version", s.Version, "segment", s.Segment, "window", s.Window, "sort", s.Sort, "last", s.Last, "from", s.From, "to", s.To}
	return link(path, append(all, pairs...)...)
}

// Of is what the form of a page keeps of its address. What forms send is encoded twice, since not every name survives a form.
func (s selection) Of() string {
	return strings.TrimPrefix(link("", "name", s.Model, "tab", s.Tab, "feature", s.Feature, "sort", s.Sort, "last", s.Last, "from", s.From, "to", s.To), "?")
}

// chosen returns the query that a form asks for.
func (v *view) chosen() string {
	q, _ := url.ParseQuery(v.query.Get("of")) // what is wrong with it is not there
	for key, name := range map[string]string{"v": "version", "s": "segment", "w": "window"} {
		if x, err := url.QueryUnescape(v.query.Get(key)); err == nil && v.query.Has(key) {
			q.Set(name, x)
		}
	}
	return q.Encode()
}

// TabLink and the like are the addresses that templates ask for.
func (s selection) TabLink(tab string) string {
	return s.link("/model", "tab", tab, "feature", "", "sort", "")
}

// FeatureLink is the address of a feature's page.
func (s selection) FeatureLink(feature string) string {
	return s.link("/feature", "tab", "", "sort", "", "feature", feature)
}

// result returns that of the selection with other parts where they are given; nil if there is none.
func (v *view) result(s *selection) *monitor.Result {
	i := slices.IndexFunc(v.Results, func(r *monitor.Result) bool {
		return r.Model == s.Model && r.Version == s.Version && r.Segment == s.Segment && r.Window == s.Window
	})
	if i < 0 {
		return nil
	}
	return v.Results[i]
}

func (v *view) status(model string) *monitor.ModelStatus {
	for i := range v.Models {
		if v.Models[i].Model == model {
			return &v.Models[i]
		}
	}
	return &monitor.ModelStatus{Model: model}
}

// duration says how long something takes in one or two units.
func duration(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// clockOf says when something was, without the date if it is today's.
func clockOf(ns int64, now time.Time) string {
	t := time.Unix(0, ns).UTC()
	if d := now.Sub(t).Abs(); d < 20*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// stamp writes a time for machines.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }

func versionName(s string) string {
	switch s {
	case "":
		return "(no version)"
	case "__other__":
		return "all other versions"
	}
	return report.Visible(s)
}

func segmentName(s string) string {
	if s == "" {
		return "all traffic"
	}
	if name, ok := strings.CutSuffix(s, "=__other__"); ok {
		return report.Visible(name) + " = anything else"
	}
	return report.Visible(strings.Replace(s, "=", " = ", 1))
}

// number and percent take what templates have: a float or a figure.
func number(x any) string  { return chart.Number(float(x)) }
func percent(x any) string { return chart.Percent(float(x)) }

func float(x any) float64 {
	switch x := x.(type) {
	case float64:
		return x
	case monitor.Figure:
		return float64(x)
	}
	return float64(monitor.Undefined)
}

// word says a state.
func word(state string) string {
	switch state {
	case "":
		return "no verdict"
	case monitor.StateChange:
		return "changed"
	}
	return state
}

// class is the class of a state in the style sheet.
func class(state string) string {
	switch state {
	case monitor.StateOK, monitor.StateWarning:
		return state
	case "":
		return "unknown"
	case monitor.StateChange:
		return "warning"
	}
	return "bad"
}
