package web

import (
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// long is full with a history of two hours, a point a minute.
func long() *monitor.Snapshot {
	s := full(usual)
	r := monitor.NewRecorder(false)
	g := &monitor.Group{Pane: int64(time.Minute), Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	r.Expect(0, true, false, g.Slides())
	for i := range 121 {
		one := *s.Results[0]
		one.End = noon.Add(time.Duration(i-120) * time.Minute)
		r.Add([]*monitor.Result{&one}, int64(time.Minute))
	}
	s.History = r.History()
	return s
}

var (
	times  = regexp.MustCompile(`data-from="(\d+)" data-to="(\d+)"`)
	zooms  = regexp.MustCompile(`(?s)<nav class="zoom".*?</nav>`)
	anchor = regexp.MustCompile(`href="([^"]*)"`)
)

// TestZoom: the address says which time pictures show, each page that has some leads to others, and what is not there is said.
func TestZoom(t *testing.T) {
	h := at(long(), time.Second)
	for _, page := range []string{"/model?name=fraud&tab=service", "/model?name=fraud&tab=drift", "/model?name=fraud&tab=performance", "/feature?name=fraud&feature=amount"} {
		for query, want := range map[string]struct {
			seconds int // how long the time is that is shown; 0: none is
			says    string
		}{
			"":          {7200, "Show all last 15m last 1h closer or draw"},
			"&last=1h":  {3600, "11:00 to 12:00"},
			"&last=6h":  {7200, "last 6h"}, // a longer history is not kept
			"&last=15m": {900, "closer earlier 11:45 to 12:00"},
			"&from=2026-03-01T10:30:00Z&to=2026-03-01T12:00:00%2B01:00":    {1800, "closer earlier later 10:30 to 11:00"}, // another zone
			"&from=2026-03-01T11:50:00Z&to=2026-03-01T13:00:00Z":           {600, "earlier 11:50 to 12:00"},
			"&from=2026-03-01T11:50:00Z&to=2026-03-01T13:00:00Z&last=1h":   {600, "earlier 11:50 to 12:00"},
			"&from=2026-03-01T10:30:10Z&to=2026-03-01T10:30:20Z":           {10, "earlier later 10:30:10 to 10:30:20"}, // between two points,
			"&from=2026-03-02T10:30:00Z&to=2026-03-02T10:40:00Z":           {0, "Nothing is kept of this time."},
			"&from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999999Z": {7200, "all"},
		} {
			w := ask(h, "GET", page+query)
			got := text(t, h, page+query)
			if !strings.Contains(got, want.says) {
				t.Errorf("%s%s has no %q: %s", page, query, want.says, got)
			}
			shown := times.FindAllStringSubmatch(w.Body.String(), -1)
			if want.seconds == 0 && len(shown) > 0 || want.seconds > 0 && len(shown) == 0 {
				t.Errorf("%s%s has %d pictures over time", page, query, len(shown))
			}
			for _, m := range shown {
				from, _ := strconv.Atoi(m[1])
				to, _ := strconv.Atoi(m[2])
				if to-from != want.seconds {
					t.Errorf("%s%s shows %d s", page, query, to-from)
				}
			}
			links := anchor.FindAllStringSubmatch(zooms.FindString(w.Body.String()), -1)
			if len(links) < 3 {
				t.Errorf("%s%s leads to %v", page, query, links)
			}
			for _, m := range links {
				if w := ask(h, "GET", strings.TrimSuffix(html.UnescapeString(m[1]), "#time")); w.Code != 200 || want.seconds > 0 && !strings.Contains(w.Body.String(), "svg data-from=") {
					t.Errorf("%s%s leads to %s: %d", page, query, m[1], w.Code)
				}
			}
		}
		for _, query := range []string{"&last=2h", "&last=x", "&from=x&to=y", "&from=2026-03-01T11:50:00Z", "&to=2026-03-01T11:50:00Z", "&from=2026-03-01T11:50:00Z&to=2026-03-01T11:50:00Z", "&from=2026-03-01T12:00:00Z&to=2026-03-01T11:00:00Z", "&from=NaN&to=Inf"} {
			if w := ask(h, "GET", page+query); w.Code != 404 || !strings.Contains(w.Body.String(), "the times in the address are none") {
				t.Errorf("%s%s: %d", page, query, w.Code)
			}
		}
	}
}

// TestDecidingFirst: of pictures over time that of the deciding statistic comes first, and of missing values it is them that moved, no bins.
func TestDecidingFirst(t *testing.T) {
	s := long()
	got := text(t, at(s, time.Second), "/feature?name=fraud&feature=amount")
	if !strings.Contains(got, "or draw across a picture PSI (decides) value") || !strings.Contains(got, "Part of the move above 105 10 % 58 % 80 %") {
		t.Error(got)
	}
	all := *s.Results[0]
	all.Features = moved(usual)
	f := &all.Features[0]
	f.Drift = append(f.Drift, monitor.Drift{Statistic: "missing_psi", Value: 0.9, Threshold: 0.1, PValue: 0})
	f.Moved.Absent = monitor.MovedShares{Reference: 0.01, Current: 0.28}
	s.Results[0] = &all
	got = text(t, at(s, time.Second), "/feature?name=fraud&feature=amount")
	if !strings.Contains(got, "Part of the move missing or invalid 1 % 28 % 100 % Statistics") {
		t.Error(got)
	}
}

// TestStrokes: what is marked in the time line is said below it, of the time that is shown, and in each picture to those who point.
func TestStrokes(t *testing.T) {
	s := long()
	r := monitor.NewRecorder(false)
	g := &monitor.Group{Pane: int64(time.Minute), Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	r.Expect(0, true, false, g.Slides())
	for i := range 121 {
		for _, version := range []string{"7", "8"} {
			one := *s.Results[0]
			if one.Version, one.End = version, noon.Add(time.Duration(i-120)*time.Minute); version == "7" || i > 89 {
				r.Add([]*monitor.Result{&one}, g.Pane)
			}
		}
	}
	s.History = r.History()
	other := result("fraud", "8", "5m")
	other.Length = 300e9
	s.Results = append(s.Results, other)
	h := at(s, time.Second)
	if got := text(t, h, "/model?name=fraud"); !strings.Contains(got, "Strokes: 11:30 version 8 came, 11:59 error ratio changed, 12:00 mean of amount changed.") {
		t.Error(got)
	}
	if got := text(t, h, "/model?name=fraud&last=15m"); !strings.Contains(got, "Strokes: 11:59 error ratio changed, 12:00 mean of amount changed.") {
		t.Error(got)
	}
	if page := ask(h, "GET", "/model?name=fraud&tab=service").Body.String(); !strings.Contains(page, "<title>11:59 error ratio changed</title></line>") {
		t.Error(page)
	}
}

// TestZoomStays: what a page says besides is the same, its links keep the time, and pages of any time are not kept.
func TestZoomStays(t *testing.T) {
	board := &monitor.Board{}
	board.Publish(long())
	own := &handler{board: board, now: func() time.Time { return noon.Add(time.Second) }}
	h := own.routes(http.NotFoundHandler())
	const zoom = "&from=2026-03-01T10:30:00Z&to=2026-03-01T11:00:00Z"
	if got, want := text(t, h, "/feature?name=fraud&feature=amount"+zoom), "changed mean of amount of fraud 7 changed at 12:00"; !strings.Contains(got, want) {
		t.Errorf("no %q: %s", want, got)
	}
	if len(own.shared.bodies) != 0 {
		t.Errorf("%d pages are kept", len(own.shared.bodies))
	}
	page := ask(h, "GET", "/model?name=fraud&tab=drift"+zoom).Body.String()
	for _, want := range []string{"from=2026-03-01T10%3A30%3A00Z&amp;name=fraud&amp;tab=performance&amp;to=2026-03-01T11%3A00%3A00Z", "/feature?feature=amount&amp;from=2026-03-01T10%3A30%3A00Z", `name="of" value="from=2026-03-01T10%3A30%3A00Z`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q: %s", want, page)
		}
	}
	ask(h, "GET", "/model?name=fraud&last=1h")
	if len(own.shared.bodies) != 1 {
		t.Errorf("%d pages are kept", len(own.shared.bodies))
	}
}
