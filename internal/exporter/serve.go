package exporter

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/streammon/streammon/internal/gzipped"
	"github.com/streammon/streammon/internal/monitor"
)

// formats are those that are served. They are few, so that what is kept of them is
// bounded whatever clients ask for.
var formats = []expfmt.Format{expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtText}

const (
	// maxAge is how old a rendered exposition may be; it is never that of another snapshot.
	maxAge = time.Second
	// maxWaiting is how many scrapes may wait for an exposition to be rendered.
	maxWaiting = 256
)

// rendering is the newest exposition in one format. All scrapes that come while it is
// made wait for it, so that no format is computed twice at once.
type rendering struct {
	mu     sync.Mutex
	of     *monitor.Snapshot
	at     time.Time
	plain  []byte
	zipped []byte // nil until somebody asks for it
}

// Handler serves the metrics, in the text format or OpenMetrics as the scraper asks.
// Scrapes share what was rendered of the same snapshot within a second, so that many
// cost little more than one. The query is ignored: the exposition is always whole.
func (e *Exporter) Handler() http.Handler { return http.HandlerFunc(e.serve) }

func (e *Exporter) serve(w http.ResponseWriter, r *http.Request) {
	format, zip := negotiate(r.Header)
	body, err := e.exposition(format, zip)
	if errors.Is(err, errBusy) {
		e.CountRefused(RefusedBusy)
		http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", string(formats[format])+"; escaping=underscores")
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	w.Write(body)
}

// negotiate returns the format's index, and whether to compress.
func negotiate(h http.Header) (format int, zip bool) {
	chosen := string(expfmt.NegotiateAccept(h, formats...))
	for i, f := range formats {
		if strings.HasPrefix(chosen, string(f)) {
			return i, gzipped.Accepted(h.Get("Accept-Encoding"))
		}
	}
	return len(formats) - 1, gzipped.Accepted(h.Get("Accept-Encoding"))
}

var errBusy = errors.New("busy")

func (e *Exporter) exposition(format int, zip bool) ([]byte, error) {
	defer e.waiting.Add(-1)
	if e.waiting.Add(1) > maxWaiting {
		return nil, errBusy
	}
	r := &e.renderings[format]
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, now := e.board.Load(), time.Now(); r.plain == nil || r.of != s || now.Sub(r.at) >= maxAge {
		plain, err := e.render(formats[format])
		if err != nil {
			return nil, err
		}
		r.of, r.at, r.plain, r.zipped = s, now, plain, nil
	}
	if !zip {
		return r.plain, nil
	}
	if r.zipped == nil {
		r.zipped = gzipped.Compress(r.plain)
	}
	return r.zipped, nil
}

// render shows what could be gathered even if something could not.
func (e *Exporter) render(f expfmt.Format) ([]byte, error) {
	families, err := e.registry.Gather()
	if err != nil && len(families) == 0 {
		return nil, err
	}
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, f)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, err
		}
	}
	if end, ok := encoder.(expfmt.Closer); ok {
		if err := end.Close(); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
