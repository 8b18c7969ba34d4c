package faults

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// proxy stands between the program and a broker. It holds what it has read while it is a black
// hole, as a network does that is parted.
type proxy struct {
	address string
	backend atomic.Pointer[string] // the broker's address

	mu       sync.Mutex
	listener net.Listener        // nil: connections are refused
	conns    map[net.Conn]string // with the id of the client
	open     chan struct{}       // closed unless it is a black hole
	parted   string              // the id of a client that is refused; empty: none is

	slow atomic.Bool  // about 25 kB/s a connection
	cut  atomic.Int64 // so many bytes of answers still pass, then one connection breaks; negative: none does
	cuts atomic.Int64
}

// advertised is a listener that gives another address for its own.
type advertised struct {
	net.Listener
	address net.Addr
}

// Addr is the other address.
func (a advertised) Addr() net.Addr { return a.address }

// proxied starts an embedded broker that is known by the address of a proxy. The client that it
// returns goes past the proxy.
func proxied(t *testing.T) (*kfake.Cluster, testkafka.Broker, *proxy, func() *kgo.Client) {
	t.Helper()
	p := &proxy{conns: map[net.Conn]string{}, open: make(chan struct{})}
	close(p.open)
	p.cut.Store(-1)
	p.listen(t)
	t.Cleanup(p.refuse)
	own := p.listener.Addr()
	cluster, b := testkafka.Fake(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		backend := l.Addr().String()
		p.backend.Store(&backend)
		return advertised{l, own}, nil
	}))
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, *p.backend.Load())
	}
	return cluster, b, p, func() *kgo.Client {
		return b.Client(t, kgo.Dialer(dial), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	}
}

// listen accepts connections, at the same address as before.
func (p *proxy) listen(t *testing.T) {
	t.Helper()
	address := p.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.address = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
}

// refuse breaks all connections and refuses new ones.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
	}
	p.listener = nil
	for c := range p.conns {
		c.Close()
	}
}

// hole makes it a black hole, or ends that.
func (p *proxy) hole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.open = make(chan struct{})
	} else {
		close(p.open)
	}
}

func (p *proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// part breaks the connections of one client and refuses new ones; the others stay. An empty id
// ends that.
func (p *proxy) part(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parted = id
	for c, of := range p.conns {
		if id != "" && of == id {
			c.Close()
		}
	}
}

// clientID reads the head of a connection's first request, which names the client. It returns
// what it has read, too.
func clientID(c net.Conn) (id string, head []byte, err error) {
	head = make([]byte, 14) // size, key, version, correlation, length of the id
	if _, err = io.ReadFull(c, head); err != nil {
		return "", nil, err
	}
	name := make([]byte, int(head[12])<<8|int(head[13]))
	_, err = io.ReadFull(c, name)
	return string(name), append(head, name...), err
}

func (p *proxy) serve(client net.Conn) {
	<-p.gate()
	broker, err := net.Dial("tcp", *p.backend.Load())
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[broker] = "", ""
	p.mu.Unlock()
	id, head, err := clientID(client)
	if err == nil {
		<-p.gate()
		_, err = broker.Write(head)
	}
	p.mu.Lock()
	p.conns[client], p.conns[broker] = id, id
	gone := p.listener == nil || err != nil || id != "" && id == p.parted
	p.mu.Unlock()
	done := make(chan struct{}, 2)
	if !gone {
		go func() { p.copy(broker, client, false); done <- struct{}{} }()
		go func() { p.copy(client, broker, true); done <- struct{}{} }()
		<-done
	}
	client.Close()
	broker.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, broker)
}

// copy returns when one of them breaks, or is to break.
func (p *proxy) copy(to, from net.Conn, answers bool) {
	buf := make([]byte, 32<<10)
	for {
		size := len(buf)
		if p.slow.Load() {
			size = 256
			time.Sleep(10 * time.Millisecond)
		}
		n, err := from.Read(buf[:size])
		if err != nil {
			return
		}
		<-p.gate()
		if cut := p.cut.Load(); answers && cut >= 0 {
			if cut < int64(n) && p.cut.CompareAndSwap(cut, -1) {
				p.cuts.Add(1)
				_, _ = to.Write(buf[:cut])
				return
			}
			p.cut.CompareAndSwap(cut, cut-int64(n))
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// reader is a program that reads a stage, and what it was like before anything happened.
type reader struct {
	*stage
	*program
	results    string
	args       []string
	goroutines float64
}

// read starts the program over what is there already, and waits until it has read that.
func (s *stage) read(t *testing.T) *reader {
	t.Helper()
	r := &reader{stage: s, results: filepath.Join(s.dir, "results.jsonl")}
	r.args = []string{"--config.file=" + s.config(t, "run", "state", ", session_timeout: 6s"), "--results=" + r.results}
	s.produce(t.Context(), t, 2_000)
	r.program = run(t, nil, r.args...)
	r.awaitReady(t, 20*time.Second)
	s.awaitAll(t, r.program, 0, 20*time.Second)
	r.goroutines, _ = r.metric("go_goroutines", "")
	return r
}

// disturbed produces events while f takes something away and gives it back. The program reads all
// that was written within 30 s of that, and says something, but no more than so many lines.
func (r *reader) disturbed(t *testing.T, what string, least, most int, f func()) {
	t.Helper()
	said, read := len(r.log.String()), consumed(r.program)
	var back time.Time
	r.during(t, func() {
		f()
		back = time.Now()
	})
	during := consumed(r.program) - read
	r.awaitAll(t, r.program, 0, 30*time.Second-time.Since(back))
	took := time.Since(back).Round(time.Millisecond)
	lines := strings.Count(r.log.String()[said:], "\n")
	first, _, _ := strings.Cut(r.log.String()[said:], "\n")
	now, _ := r.metric("go_goroutines", "")
	t.Logf("%s: recovered after %s; %d lines logged, %g goroutines (%g before), %g messages meanwhile\n%s", what, took, lines, now, r.goroutines, during, first)
	if lines < least || lines > most {
		t.Errorf("%s: %d lines were logged:\n%s", what, lines, r.log.String()[said:])
	}
}

// end waits for the goroutines to be as before, ends the program, and compares its results.
func (r *reader) end(t *testing.T) {
	t.Helper()
	await(t, 20*time.Second, "goroutines as before", func() bool {
		n, _ := r.metric("go_goroutines", "")
		return n > 0 && n <= r.goroutines+8
	})
	r.finish(t, r.program, r.args, r.results)
}

// during produces events at a steady rate while f runs, and waits until all of them are stored.
func (s *stage) during(t *testing.T, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			s.produce(ctx, t, 50)
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	defer func() {
		close(stop)
		defer time.AfterFunc(time.Minute, cancel).Stop() // if f has failed, there may be no broker
		<-stopped
	}()
	f()
}

// awaitAll waits until the program has consumed all messages, and exports, and returns how long
// it took.
func (s *stage) awaitAll(t *testing.T, p *program, before int, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, within, "recovery", func() bool {
		exporting, _ := p.metric("streammon_exporting", "")
		return before+int(consumed(p)) >= s.written && exporting == 1
	})
	if n := before + int(consumed(p)); n != s.written {
		t.Fatalf("%d messages were consumed of %d", n, s.written)
	}
	return time.Since(began)
}

// finish ends the program and reads what is left, and compares the results.
func (s *stage) finish(t *testing.T, p *program, args []string, results string) {
	t.Helper()
	p.terminate(t)
	if err := run(t, nil, append(args, "--until-end")...).wait(t, time.Minute); err != nil {
		t.Fatalf("the last run: %v", err)
	}
	compareFiles(t, s.undisturbed(t), results)
	if l := ledgerOf(t, results); l.Consumed != s.written || !l.balanced() {
		t.Errorf("%d messages were written; the ledger is %+v", s.written, l)
	}
}

// TestOutages takes the broker away in many ways while events flow. The program goes on when it is
// back, says little, and loses nothing.
func TestOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	away := 8 * time.Second
	if long {
		away = time.Minute
	}
	_, b, proxy, direct := proxied(t)
	s := newStage(t, b, 11, 50*time.Millisecond)
	s.client = direct()
	r := s.read(t)
	random := rand.New(rand.NewPCG(3, 4))
	for _, outage := range []struct {
		name  string
		lines int // of the log at most
		f     func()
	}{
		{"refused", 40, func() {
			proxy.refuse()
			time.Sleep(away)
			proxy.listen(t)
		}},
		{"black hole", 40, func() {
			proxy.hole(true)
			time.Sleep(away + 4*time.Second)
			proxy.hole(false)
		}},
		{"refused, then a black hole", 40, func() {
			proxy.refuse()
			time.Sleep(away / 4)
			proxy.hole(true)
			proxy.listen(t)
			time.Sleep(away)
			proxy.refuse()
			proxy.hole(false)
			proxy.listen(t)
		}},
		{"cut in the middle of frames", 600, func() {
			for end := time.Now().Add(away); time.Now().Before(end); {
				proxy.cut.Store(int64(random.IntN(20_000)))
				time.Sleep(time.Duration(100+random.IntN(400)) * time.Millisecond)
			}
			proxy.cut.Store(-1)
		}},
		{"slow", 40, func() {
			proxy.slow.Store(true)
			time.Sleep(away)
			proxy.slow.Store(false)
		}},
	} {
		least := 1
		if outage.name == "slow" {
			least = 0
		}
		r.disturbed(t, outage.name, least, outage.lines, outage.f)
	}
	t.Logf("%d cuts", proxy.cuts.Load())
	r.end(t)
}
