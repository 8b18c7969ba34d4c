package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/attack"
	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
)

// tally counts what was refused.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (x *tally) count(reason string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.n == nil {
		x.n = map[string]int{}
	}
	x.n[reason]++
}

func (x *tally) of(reason string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.n[reason]
}

func (x *tally) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return fmt.Sprint(x.n)
}

// small are limits with which a test is over soon.
func small() limits {
	l := defaultLimits()
	l.connections, l.grace = 16, 50*time.Millisecond
	return l
}

func serveWithin(t *testing.T, h http.Handler, lim limits, refuse func(string)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, h, Config{Logger: slog.New(slog.DiscardHandler), OnRefuse: refuse, limits: &lim})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSlowLorisLeaveRoom(t *testing.T) {
	var refused tally
	address := serveWithin(t, handlerOf(picture()), small(), refused.count)
	for i := range 200 {
		fmt.Fprint(dial(t, address), "GET /metrics HTTP/1.1\r\nX: "[:i%24]) // some say nothing at all
	}
	start := time.Now()
	if code, _ := attack.Scrape(address, "", 3*time.Second); code != 200 {
		t.Errorf("a good client got %d", code)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the answer took %v", d)
	}
	if n := refused.of(refusedSlow); n < 180 {
		t.Errorf("%d slow connections were closed", n)
	}
}

// The end of the server waits for answers under way, not for those who send no request.
func TestSlowLorisDoNotDelayTheEnd(t *testing.T) {
	address, stop := serve(t, handlerOf(picture()), "")
	for range 20 {
		fmt.Fprint(dial(t, address), "GET /")
	}
	if code, _ := attack.Scrape(address, "", 3*time.Second); code != 200 {
		t.Errorf("got %d", code)
	}
	start := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d >= shutdownTime {
		t.Errorf("the end took %v", d)
	}
}

// net/http would answer this one itself.
func TestGeneralOptionsAreRefused(t *testing.T) {
	var refused tally
	c := dial(t, serveWithin(t, handlerOf(picture()), defaultLimits(), refused.count))
	fmt.Fprint(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 405 || !r.Close || refused.of(refusedMethod) != 1 {
		t.Errorf("%v, %v, refused %v", r, err, &refused)
	}
}

// A connection between requests gives its place away, one that does not read its answer
// after a while.
func TestIdleAndStuckConnectionsLeaveRoom(t *testing.T) {
	var refused tally
	lim := small()
	lim.connections, lim.stuck = 2, 50*time.Millisecond
	large := strings.Repeat("x", 16<<20)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			io.WriteString(w, large)
		}
	})
	address := serveWithin(t, h, lim, refused.count)
	for _, path := range []string{"/", "/large"} {
		for range 2 {
			c := dial(t, address)
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
			if _, err := bufio.NewReaderSize(c, 16).ReadByte(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code, _ := attack.Scrape(address, "", 3*time.Second); code != 200 {
		t.Errorf("a good client got %d", code)
	}
	if refused.of(refusedIdle) != 2 || refused.of(refusedStuck) != 1 {
		t.Errorf("refused %v", &refused)
	}
}

// A huge body is not read, whatever the method, and whether its size is told or not.
func TestBodiesAreNotRead(t *testing.T) {
	for _, c := range []struct {
		head, reason string
		code         int
	}{
		{"POST /api/v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n", refusedMethod, 405},
		{"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n", refusedMethod, 405},
		{"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n", refusedBody, 413},
		{"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", refusedMethod, 405},
	} {
		var refused tally
		var read atomic.Int64
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Serve(ctx, readCounter{l, &read}, handlerOf(picture()), Config{Logger: slog.New(slog.DiscardHandler), OnRefuse: refused.count})
		}()
		conn := dial(t, l.Addr().String())
		fmt.Fprint(conn, c.head)
		zeros := make([]byte, 64<<10)
		go func() {
			for sent := 0; sent < 1<<30; sent += len(zeros) {
				if _, err := conn.Write(zeros); err != nil {
					return
				}
			}
		}()
		conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || r.StatusCode != c.code || !r.Close {
			t.Errorf("%q: %v, %v", c.head, r, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := read.Load(); n > 16<<10 {
			t.Errorf("%q: %d bytes were read", c.head, n)
		}
		if refused.of(c.reason) != 1 {
			t.Errorf("%q: refused %v", c.head, &refused)
		}
		conn.Close()
	}
}

// readCounter counts what its connections read.
type readCounter struct {
	net.Listener
	read *atomic.Int64
}

func (l readCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.read}, err
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func TestHeaderBombs(t *testing.T) {
	address := serveWithin(t, handlerOf(picture()), defaultLimits(), func(string) {})
	for _, header := range []string{
		"X: " + strings.Repeat("x", 1<<20) + "\r\n", strings.Repeat("X: y\r\n", 1<<17), strings.Repeat("x", 1<<20) + ": y\r\n",
		"Accept: " + strings.Repeat("a,", 1<<15) + "\r\n",
	} {
		if code, _ := attack.Scrape(address, header, 3*time.Second); code != 431 && code != 0 { // 0: closed while the client wrote
			t.Errorf("%.20q...: %d", header, code)
		}
	}
	if code, _ := attack.Scrape(address, "", 3*time.Second); code != 200 {
		t.Errorf("a good client got %d", code)
	}
}

// Beyond the rate of bytes there are refusals at once, but health is still told, and
// compressed scrapes are answered.
func TestAnswersArePaced(t *testing.T) {
	var refused tally
	lim := defaultLimits()
	lim.bytes, lim.wait = 1<<20, 10*time.Millisecond
	b := strings.Repeat("x", 1<<20)
	h := newGuard(NewHandler(&monitor.Board{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		if r.Header.Get("Accept-Encoding") != "" {
			w.Header().Set("Content-Encoding", "gzip")
		}
		io.WriteString(w, b)
	})), lim, refused.count)
	var codes []int
	for range 4 {
		w := ask(h, "GET", "/metrics")
		codes = append(codes, w.Code)
		if w.Code == 503 && (w.Header().Get("Retry-After") == "" || w.Header().Get("Connection") != "close" || w.Body.Len() > 100) {
			t.Errorf("%v, %d bytes", w.Header(), w.Body.Len())
		}
	}
	// The second or the third may come just in time for its wait, not both.
	given := slices.Clone(codes)
	slices.Sort(given)
	if codes[0] != 200 || codes[3] != 503 || given[2] != 503 {
		t.Errorf("codes %v, want 200 first, one more at most, and 503", codes)
	}
	if w := ask(h, "GET", "/-/healthy"); w.Code != 200 {
		t.Errorf("healthy: %d", w.Code)
	}
	w, q := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
	q.Header.Set("Accept-Encoding", "gzip")
	if h.ServeHTTP(w, q); w.Code != 200 {
		t.Errorf("a compressed scrape: %d", w.Code)
	}
}

// tenThousand is a snapshot of 10,000 series, and then some.
func tenThousand() *monitor.Snapshot {
	s := &monitor.Snapshot{Exporting: true}
	for i := range 10 {
		r := result(fmt.Sprintf("model-%d", i), "7", "5m")
		for k := range 80 {
			f := monitor.FeatureResult{Name: fmt.Sprintf("feature_%02d", k), Type: "numeric", Count: 1000, HasReference: true, Mean: 1.25, StdDev: 2.5, Min: -3, Max: 9, State: monitor.StateOK}
			for q := range 5 {
				f.Quantiles = append(f.Quantiles, monitor.Quantile{Q: fmt.Sprint(q), Value: monitor.Figure(q) / 7})
			}
			f.Drift = monitor.Drifts{{Statistic: "psi", Value: 0.34, Threshold: 0.1, PValue: 0.5}}
			r.Features = append(r.Features, f)
		}
		s.Results = append(s.Results, r)
	}
	return s
}

// Every reason of this package is known to the exporter.
func TestReasonsAreExported(t *testing.T) {
	board := &monitor.Board{}
	e := exporter.New(board, exporter.Options{})
	reasons := []string{refusedSlow, refusedIdle, refusedStuck, refusedMethod, refusedBody, refusedBusy}
	for _, r := range reasons {
		e.CountRefused(r)
	}
	page := ask(NewHandler(board, e.Handler()), "GET", "/metrics").Body.String()
	for _, r := range reasons {
		if has := fmt.Sprintf("streammon_http_refused_total{reason=%q} 1\n", r); !strings.Contains(page, has) {
			t.Errorf("no %s", has)
		}
	}
}
