package web

import (
	"net/http"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

type handler struct {
	board  *monitor.Board
	shared shared
	now    func() time.Time
}

// NewHandler returns the handler of all paths; metrics serves /metrics.
func NewHandler(board *monitor.Board, metrics http.Handler) http.Handler {
	h := &handler{board: board, now: time.Now}
	return h.routes(metrics)
}

func (h *handler) routes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	h.routePages(mux)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("healthy\n")) })
	mux.HandleFunc("GET /-/ready", h.ready)
	h.routeAPI(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guardAnswer(w)
		mux.ServeHTTP(w, r)
	})
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
