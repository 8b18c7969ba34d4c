package web

import (
	"net/http"
	"strconv"
	"time"
)

// guard answers only requests that this server takes, at a bounded rate.
type guard struct {
	next   http.Handler
	refuse func(reason string)
	large  bucket // bytes
	zipped bucket // bytes of compressed answers
	small  bucket // answers
	wait   time.Duration
	logins *logins
	reload bool // one path takes a POST
}

// smallAnswer is how many bytes are paced by number, not by size. Its own rate keeps
// scrapes from failing the probes of health.
const smallAnswer = 16 << 10

// metricsPath is what scrapers ask for.
const metricsPath = "/metrics"

// answerCost is what any answer costs, in bytes of a body that cost as much.
const answerCost = 16 << 10

func newGuard(next http.Handler, lim limits, refuse func(string)) *guard {
	return &guard{
		next: next, refuse: refuse, wait: lim.wait,
		large: bucket{perSecond: lim.bytes, burst: lim.bytes}, zipped: bucket{perSecond: lim.zipped, burst: lim.zipped},
		small: bucket{perSecond: lim.answers, burst: lim.answers}, logins: newLogins(lim.logins),
	}
}

// ServeHTTP passes requests that only read, and refuses others.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !(g.reload && r.Method == http.MethodPost && r.URL.Path == reloadPath):
		w.Header().Set("Allow", "GET, HEAD")
		g.reject(w, refusedMethod, http.StatusMethodNotAllowed)
	case r.ContentLength != 0:
		g.reject(w, refusedBody, http.StatusRequestEntityTooLarge)
	default:
		g.pass(w, r)
	}
}

// pass lets a request through, once its password may be checked.
func (g *guard) pass(w http.ResponseWriter, r *http.Request) {
	done, ok := g.logins.enter(r)
	if !ok {
		w.Header().Set("Retry-After", "1")
		g.reject(w, refusedBusy, http.StatusServiceUnavailable)
		return
	}
	defer done(0)
	g.next.ServeHTTP(&paced{ResponseWriter: w, guard: g, request: r, checked: done}, r)
}

// reject ends the connection without reading on.
func (g *guard) reject(w http.ResponseWriter, reason string, code int) {
	g.refuse(reason)
	// Else the server would read up to 256 KiB of the body to keep the connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	w.Header().Set("Connection", "close")
	http.Error(w, http.StatusText(code), code)
}

// paced delays an answer until its turn, or replaces it if that is too far away.
type paced struct {
	http.ResponseWriter
	guard   *guard
	request *http.Request
	checked func(code int) // ends the check of the password, if there is one
	started bool
	dropped bool
}

// WriteHeader waits for the answer's turn.
func (p *paced) WriteHeader(code int) {
	if p.started {
		return
	}
	p.started = true
	p.checked(code)
	wait, ok := p.turn()
	if !ok {
		p.drop()
		return
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-p.request.Context().Done():
		}
	}
	p.ResponseWriter.WriteHeader(code)
}

// turn takes the answer's part of its rate, and returns how long to wait for it. What
// scrapers ask for is compressed, so that those who want 20 times the bytes, or other paths, cannot starve them.
func (p *paced) turn() (time.Duration, bool) {
	n, _ := strconv.Atoi(p.Header().Get("Content-Length"))
	if n <= smallAnswer || p.request.Method == http.MethodHead {
		return p.guard.small.takeWithin(1, p.guard.wait)
	}
	if p.Header().Get("Content-Encoding") != "" && p.request.URL.Path == metricsPath {
		return p.guard.zipped.takeWithin(answerCost+float64(n), p.guard.wait)
	}
	return p.guard.large.takeWithin(answerCost+float64(n), p.guard.wait)
}

// drop answers that there is too much to do instead.
func (p *paced) drop() {
	p.dropped = true
	clear(p.Header())
	p.Header().Set("Retry-After", "1")
	p.guard.reject(p.ResponseWriter, refusedBusy, http.StatusServiceUnavailable)
}

// Write writes a part of the answer; of one that was replaced it writes nothing, and says it did.
func (p *paced) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.dropped {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}
