package web

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// shared keeps bodies that were made of one snapshot for at most maxAge, so that many
// requests cost little more than one. It holds at most one body a page and window.
type shared struct {
	mu     sync.Mutex
	of     *monitor.Snapshot
	at     time.Time
	bodies map[string][]byte
}

// maxAge is how old a body may be; it is never that of another snapshot.
const maxAge = time.Second

// get returns the body of the key, made by f if there is none. One is made at a time.
func (x *shared) get(s *monitor.Snapshot, key string, f func() ([]byte, error)) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); x.bodies == nil || x.of != s || now.Sub(x.at) >= maxAge {
		x.of, x.at, x.bodies = s, now, map[string][]byte{}
	}
	if b, ok := x.bodies[key]; ok {
		return b, nil
	}
	b, err := f()
	if err == nil {
		x.bodies[key] = b
	}
	return b, err
}

// answer writes the shared body of the key.
func (h *handler) answer(w http.ResponseWriter, s *monitor.Snapshot, key, kind string, f func() ([]byte, error)) {
	b, err := h.shared.get(s, key, f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b)
}
