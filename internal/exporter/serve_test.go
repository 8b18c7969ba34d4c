package exporter

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streammon/streammon/internal/monitor"
)

// slowGather is a collector that counts its collections, and how many run at once.
type slowGather struct {
	desc                *prometheus.Desc
	all, now, mostAtOne atomic.Int64
}

func (c *slowGather) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c *slowGather) Collect(chan<- prometheus.Metric) {
	c.all.Add(1)
	n := c.now.Add(1)
	for m := c.mostAtOne.Load(); n > m && !c.mostAtOne.CompareAndSwap(m, n); m = c.mostAtOne.Load() {
	}
	time.Sleep(20 * time.Millisecond) // what is made while others ask
	c.now.Add(-1)
}

func get(e *Exporter, accept, encoding string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	q.Header.Set("Accept", accept)
	q.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, q)
	return w
}

func TestScrapesShareWork(t *testing.T) {
	e := exporterOf(picture(), 0)
	slow := &slowGather{desc: prometheus.NewDesc("slow", "Slow.", nil, nil)}
	e.registry.MustRegister(slow)
	accepts := []string{"text/plain", "application/openmetrics-text", "application/openmetrics-text;version=1.0.0", "*/*", "text/plain;version=1.0.0;escaping=allow-utf-8"}
	var answered, busy, other atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for i := range 10_000 {
		wg.Go(func() {
			switch get(e, accepts[i%len(accepts)], []string{"gzip", ""}[i%2]).Code {
			case http.StatusOK:
				answered.Add(1)
			case http.StatusServiceUnavailable:
				busy.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	wg.Wait()
	seconds := int64(time.Since(start)/maxAge) + 1
	if answered.Load() == 0 || other.Load() != 0 || answered.Load()+busy.Load() != 10_000 {
		t.Errorf("%d answered, %d busy, %d others", answered.Load(), busy.Load(), other.Load())
	}
	if n := slow.all.Load(); n > int64(len(formats))*seconds {
		t.Errorf("computed %d times in %d s", n, seconds)
	}
	if n := slow.mostAtOne.Load(); n > 4 {
		t.Errorf("%d were computed at once", n)
	}
	if n := e.refused[len(refusedReasons)-1].Load(); n != uint64(busy.Load()) {
		t.Errorf("%d were counted as busy, %d were", n, busy.Load())
	}
}

func TestARenderingIsOfTheNewestSnapshot(t *testing.T) {
	e := exporterOf(picture(), 0)
	get(e, "", "")
	next := picture()
	next.Models[0].Accepted = 4711
	e.board.Publish(next)
	if body := get(e, "", "").Body.String(); !strings.Contains(body, `streammon_accepted_events_total{model="fraud"} 4711`) {
		t.Error("the scrape is of an old snapshot")
	}
	e.CountRefused(RefusedSlow)
	e.renderings[len(formats)-1].at = time.Now().Add(-maxAge)
	if body := get(e, "", "").Body.String(); !strings.Contains(body, `streammon_http_refused_total{reason="slow"} 1`) {
		t.Error("the scrape is older than a second")
	}
}

func TestCompression(t *testing.T) {
	for encoding, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, br": false, "identity": false, "gzip;q=x": false,
	} {
		e := exporterOf(picture(), 0)
		w := get(e, "", encoding)
		var body io.Reader = w.Body
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: compressed %v", encoding, got)
		} else if got {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if b, err := io.ReadAll(body); err != nil || !strings.Contains(string(b), "streammon_build_info") {
			t.Errorf("%q: %v", encoding, err)
		}
	}
}

func TestStateThatIsNotKnownIsAbsent(t *testing.T) {
	s := picture()
	s.State = &monitor.StateStatus{Interval: time.Minute, Failures: 2, Resets: map[string]uint64{"damaged": 1}}
	first := text(t, exporterOf(s, 0))
	for _, has := range []string{"state_save_interval_seconds 60", "state_saves_total 0", "state_save_failures_total 2", `state_resets_total{reason="damaged"} 1`} {
		if !strings.Contains(first, "streammon_"+has+"\n") {
			t.Errorf("no %s before the first save", has)
		}
	}
	for _, not := range []string{"last_save", "save_duration", "save_held", "save_bytes"} {
		if strings.Contains(first, "streammon_state_"+not) {
			t.Errorf("%s before the first save", not)
		}
	}
	s = picture()
	s.State = nil
	if strings.Contains(text(t, exporterOf(s, 0)), "streammon_state_") {
		t.Error("state metrics, though no state is kept")
	}
}
