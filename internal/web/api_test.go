package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

var apiPaths = []string{"/api/v1/models", "/api/v1/status", "/api/v1/models/fraud/windows/1h", "/api/v1/models/idle/windows/1h",
	"/api/v1/models/fraud/windows/1h/history", "/api/v1/openapi.json", "/api/v1/report", "/api/v1/report?model=fraud"}

func askWith(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	h.ServeHTTP(w, r)
	return w
}

// TestAnswersHaveTags: an answer that the client has is not sent again, and one that has changed is.
func TestAnswersHaveTags(t *testing.T) {
	board := &monitor.Board{}
	board.Publish(picture())
	h := NewHandler(board, http.NotFoundHandler())
	for _, path := range apiPaths {
		first := askWith(h, path)
		tag := first.Header().Get("ETag")
		if first.Code != 200 || !strings.HasPrefix(tag, `W/"`) || first.Body.Len() == 0 {
			t.Fatalf("%s: %d %v", path, first.Code, first.Header())
		}
		for list, code := range map[string]int{tag: 304, `"other", ` + tag: 304, strings.TrimPrefix(tag, "W/"): 304, "*": 304, `W/"other"`: 200, "": 200} {
			w := askWith(h, path, "If-None-Match", list, "Accept-Encoding", "gzip")
			if w.Code != code || (code == 304) != (w.Body.Len() == 0) || w.Header().Get("ETag") != tag || code == 304 && w.Header().Get("Content-Encoding") != "" {
				t.Errorf("%s with %q: %d, %d bytes, %v", path, list, w.Code, w.Body.Len(), w.Header())
			}
		}
	}
	tag := askWith(h, apiPaths[2]).Header().Get("ETag")
	next := picture()
	next.Results[1].Events++
	board.Publish(next)
	if w := askWith(h, apiPaths[2], "If-None-Match", tag); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d %v", w.Code, w.Header())
	}
}

// TestAnswersAreCompressed for those who take it, and are the same then.
func TestAnswersAreCompressed(t *testing.T) {
	h := handlerOf(picture())
	for _, path := range apiPaths {
		plain := askWith(h, path)
		for accept, zipped := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "identity": false, "": false} {
			w := askWith(h, path, "Accept-Encoding", accept)
			if w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) || w.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s with %q: %d bytes, %v", path, accept, w.Body.Len(), w.Header())
			}
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
				t.Errorf("%s with %q is compressed: %v", path, accept, got)
				continue
			}
			body := w.Body.Bytes()
			if zipped {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(body, plain.Body.Bytes()) {
				t.Errorf("%s with %q: another body", path, accept)
			}
		}
	}
}

// TestNoOtherOriginReads: no answer lets the script of another site read it.
func TestNoOtherOriginReads(t *testing.T) {
	h := handlerOf(picture())
	for _, path := range append([]string{"/", "/metrics", "/-/ready"}, apiPaths...) {
		w := askWith(h, path, "Origin", "https://evil.example")
		for key := range w.Header() {
			if strings.HasPrefix(key, "Access-Control-") {
				t.Errorf("%s has %s", path, key)
			}
		}
		if strings.HasPrefix(path, "/api/") && w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	if w := ask(h, http.MethodOptions, apiPaths[0]); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a preflight is answered %d", w.Code)
	}
}

// TestCompressedAnswersAreNotScrapes: those who want the API compressed take nothing of what scrapers have.
func TestCompressedAnswersAreNotScrapes(t *testing.T) {
	g := newGuard(http.NotFoundHandler(), small(), func(string) {})
	for path, bucket := range map[string]*bucket{"/api/v1/models": &g.large, "/metrics": &g.zipped} {
		p := &paced{ResponseWriter: httptest.NewRecorder(), guard: g, request: httptest.NewRequest(http.MethodGet, path, nil)}
		p.Header().Set("Content-Encoding", "gzip")
		p.Header().Set("Content-Length", "900000")
		before := []float64{g.large.left, g.zipped.left}
		if _, ok := p.turn(); !ok {
			t.Fatalf("%s has no turn", path)
		}
		changed := []bool{g.large.left != before[0], g.zipped.left != before[1]}
		if changed[0] != (bucket == &g.large) || changed[1] != (bucket == &g.zipped) {
			t.Errorf("%s takes of large, zipped: %v", path, changed)
		}
	}
}

// historyPicture is picture with a history of two versions and one segment.
func historyPicture(t *testing.T) *monitor.Snapshot {
	t.Helper()
	s := picture()
	r := monitor.NewRecorder(false)
	g := &monitor.Group{Pane: int64(10 * time.Second), Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	r.Expect(0, true, false, g.Slides())
	for i := range 3 {
		for _, x := range []struct{ version, segment string }{{"7", ""}, {"7", "country=DE"}, {"8", ""}} {
			one := result("fraud", x.version, "5m")
			one.Segment, one.Length, one.End = x.segment, g.Windows[0].Length, noon.Add(time.Duration(i)*10*time.Second)
			one.Events, one.Complete = uint64(i), true
			if i == 1 {
				one.Service.RequestsPerSecond = monitor.Undefined
			}
			r.Add([]*monitor.Result{one}, int64(10*time.Second))
		}
	}
	s.History = r.History()
	return s
}

// TestHistoryAnswers the columns, and the points of one, of the versions and the segment that are asked for.
func TestHistoryAnswers(t *testing.T) {
	h := handlerOf(historyPicture(t))
	for _, c := range []struct {
		query         string
		series, count int
		has           string
	}{
		{"", 2, 0, `"columns":[{"figure":"requests_per_second"}]`},
		{"?figure=requests_per_second", 2, 2, `{"end":"2026-03-01T12:00:20Z","events":2,"complete":true,"value":2}`},
		{"?figure=requests_per_second&version=8", 1, 2, `"version":"8"`},
		{"?figure=requests_per_second&version=8&version=7", 2, 2, `"version":"7"`},
		{"?figure=requests_per_second&segment=country%3DDE", 1, 2, `"segment":"country=DE"`},
		{"?figure=psi&feature=amount", 0, 0, `"column":{"feature":"amount","figure":"psi"}`},
		{"?figure=requests_per_second&version=9", 0, 0, `"series":[]`},
	} {
		w := askWith(h, "/api/v1/models/fraud/windows/5m/history"+c.query)
		var got historyJSON
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !strings.Contains(w.Body.String(), c.has) || len(got.Series) != c.series {
			t.Errorf("%s: %v, %s", c.query, err, w.Body)
			continue
		}
		for _, s := range got.Series {
			if len(s.Points) != c.count || s.Slide != 10 || s.Count != 3 || s.First != "2026-03-01T12:00:00Z" {
				t.Errorf("%s: %+v", c.query, s)
			}
		}
	}
	if w := askWith(h, "/api/v1/models/nobody/windows/5m/history"); w.Code != 404 {
		t.Errorf("no such model: %d", w.Code)
	}
	if w := askWith(handlerOf(picture()), "/api/v1/models/fraud/windows/5m/history?figure=psi"); w.Code != 200 || !strings.Contains(w.Body.String(), `"series":[]`) {
		t.Errorf("without a history: %d %s", w.Code, w.Body)
	}
}

// TestWrongQueries are refused and told what is wrong, not answered as if it were not there.
func TestWrongQueries(t *testing.T) {
	h := handlerOf(historyPicture(t))
	for query, want := range map[string]string{
		"models/fraud/windows/5m/history?figur=psi":                   `no parameter "figur": there are figure, feature, at, version, segment`,
		"models/fraud/windows/5m/history?feature=amount":              "feature and at are of a figure: figure is missing",
		"models/fraud/windows/5m/history?at=0.5":                      "feature and at are of a figure: figure is missing",
		"models/fraud/windows/5m/history?figure=psi&figure=mean":      "one figure at most",
		"models/fraud/windows/5m/history?segment=a&segment=b":         "one segment at most",
		"models/fraud/windows/5m/history?figure=psi&feature=%zz":      "the query cannot be read",
		"models/fraud/windows/5m/history?figure=psi;feature=amount":   "the query cannot be read",
		"models/fraud/windows/5m/history?figure=psi&%3Cb%3E%0A%1b[0m": `no parameter "<b>\n\x1b[0m"`,
		"report?model=fraud&model=idle":                               "one model at most",
		"report?models=fraud":                                         `no parameter "models": there are model`,
	} {
		w := askWith(h, "/api/v1/"+query)
		if w.Code != 400 || !strings.HasPrefix(w.Body.String(), want) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s, want %s", query, w.Code, w.Body, want)
		}
	}
	if w := askWith(h, "/api/v1/models/fraud/windows/5m/history?figure=&version=7&version=8"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAllowedOriginReads the API, and no other origin, nor anything else.
func TestAllowedOriginReads(t *testing.T) {
	h := allowing(handlerOf(picture()), []string{"https://grafana.example"})
	for _, c := range []struct {
		path, origin, want string
	}{
		{"/api/v1/models", "https://grafana.example", "https://grafana.example"},
		{"/api/v1/models", "https://grafana.example.evil", ""},
		{"/api/v1/models", "null", ""},
		{"/api/v1/models", "", ""},
		{"/", "https://grafana.example", ""},
		{"/metrics", "https://grafana.example", ""},
	} {
		w := askWith(h, c.path, "Origin", c.origin)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.want || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s from %q allows %q", c.path, c.origin, got)
		}
		if vary := strings.Join(w.Header().Values("Vary"), ", "); strings.HasPrefix(c.path, "/api") && vary != "Origin, Accept-Encoding" {
			t.Errorf("%s varies by %s", c.path, vary)
		}
	}
	for origin, right := range map[string]bool{"https://a.example": true, "http://localhost:3000": true, "*": false, "null": false, "https://a.example/": false, "a.example": false, "https://": false, "https://u@a.example": false} {
		if CheckOrigin(origin) != right {
			t.Errorf("%q is an origin: %v", origin, !right)
		}
	}
}
