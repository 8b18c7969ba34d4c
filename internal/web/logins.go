package web

import (
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"time"
)

// logins bounds the time that checks of passwords take, which are slow on purpose. Those
// that were right before pass at once. Of each host one waits at a time, so that one who
// guesses cannot keep the others out.
type logins struct {
	turn chan struct{} // has an element while a check runs
	time bucket        // seconds of checks

	mu      sync.Mutex
	waiting map[string]struct{}   // hosts
	known   map[[32]byte]struct{} // hashes of what was right
}

const (
	// loginWait is the longest wait for a check to begin.
	loginWait = 2 * time.Second
	// maxKnown is how many logins are remembered.
	maxKnown = 64
)

func newLogins(share float64) *logins {
	return &logins{
		turn: make(chan struct{}, 1), time: bucket{perSecond: share, burst: 0.5},
		waiting: map[string]struct{}{}, known: map[[32]byte]struct{}{},
	}
}

// enter waits for the turn of a request that brings a password. If it returns true, done is to
// be called with the code of the answer once that is known, and may be called again.
func (l *logins) enter(r *http.Request) (done func(code int), ok bool) {
	login := r.Header.Get("Authorization")
	if login == "" {
		return func(int) {}, true
	}
	key := sha256.Sum256([]byte(login))
	if l.isKnown(key) {
		return func(code int) { l.forget(key, code) }, true
	}
	if !l.wait(r) {
		return nil, false
	}
	var once sync.Once
	start := time.Now()
	return func(code int) {
		once.Do(func() {
			l.time.take(time.Since(start).Seconds())
			<-l.turn
			l.remember(key, code)
		})
	}, true
}

// wait returns false if the turn does not come in time.
func (l *logins) wait(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if !l.queue(host) {
		return false
	}
	defer l.leave(host)
	end := time.NewTimer(loginWait)
	defer end.Stop()
	select {
	case l.turn <- struct{}{}:
	case <-end.C:
		return false
	case <-r.Context().Done():
		return false
	}
	pause := time.NewTimer(l.time.take(0))
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-end.C:
	case <-r.Context().Done():
	}
	<-l.turn
	return false
}

func (l *logins) queue(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, busy := l.waiting[host]; busy {
		return false
	}
	l.waiting[host] = struct{}{}
	return true
}

func (l *logins) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, host)
}

func (l *logins) isKnown(key [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.known[key]
	return ok
}

// remember keeps a login that was answered. An error may have come before the check.
func (l *logins) remember(key [32]byte, code int) {
	if code < 200 || code >= 400 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.known {
		if len(l.known) < maxKnown {
			break
		}
		delete(l.known, k)
	}
	l.known[key] = struct{}{}
}

// forget drops a login that is right no longer.
func (l *logins) forget(key [32]byte, code int) {
	if code != http.StatusUnauthorized {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, key)
}
