package web

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Reasons of refusing a client, as Config.OnRefuse gets them.
const (
	refusedSlow   = "slow"   // closed to make room: no complete request was sent
	refusedIdle   = "idle"   // closed to make room: it waited between requests
	refusedStuck  = "stuck"  // closed to make room: the answer took long to be read
	refusedMethod = "method" // neither GET nor HEAD
	refusedBody   = "body"   // a request with a body
	refusedBusy   = "busy"   // more than is answered at once
)

// limits of a server; tests make them small.
type limits struct {
	connections int           // open at once
	grace       time.Duration // for the first request of a connection, when there is no room
	stuck       time.Duration // for an answer to be read, when there is no room
	accepts     float64       // connections taken a second
	bytes       float64       // of large answers a second, those compressed left out
	zipped      float64       // bytes of compressed answers a second
	answers     float64       // of small answers a second
	wait        time.Duration // longest wait for the turn of an answer
	handshakes  float64       // of TLS a second
	logins      float64       // seconds a second for checks of passwords
}

// defaultLimits leave most of two cores to reading: when all of it is used, the server takes
// about a quarter of a core. The grace is short, because those who wait in the kernel's queue
// have sent their requests by the time that they are let in, and the queue must not overflow.
func defaultLimits() limits {
	return limits{connections: 256, grace: 100 * time.Millisecond, stuck: 2 * time.Second, accepts: 2000, bytes: 50e6, zipped: 135e6, answers: 1000, wait: time.Second, handshakes: 200, logins: 0.15}
}

// gate is a listener that bounds how many connections are open, and how many are
// taken a second. Those beyond wait in the kernel's queue, where they cost nothing. When
// there is no room it closes a connection that waits for its client, never one that is
// being answered.
type gate struct {
	net.Listener
	limits limits
	refuse func(reason string)
	rate   bucket
	closed chan struct{}
	freed  chan struct{}
	once   sync.Once

	encrypted  bool // set before the first Accept
	handshakes bucket

	mu   sync.Mutex
	open map[*guarded]struct{}
}

// guarded is an open connection; state, since and begun are under the gate's mutex.
type guarded struct {
	net.Conn
	gate    *gate
	state   http.ConnState
	since   time.Time
	begun   bool // it is being read, since then if its state is new
	looked  bool // as begun, of the goroutine that reads
	greeted bool // its first bytes came; of the goroutine that reads
}

func newGate(l net.Listener, lim limits, refuse func(string)) *gate {
	return &gate{
		Listener: l, limits: lim, refuse: refuse, closed: make(chan struct{}), freed: make(chan struct{}, 1),
		rate:       bucket{perSecond: lim.accepts, burst: float64(lim.connections)},
		handshakes: bucket{perSecond: lim.handshakes, burst: lim.handshakes / 4}, open: map[*guarded]struct{}{},
	}
}

// Accept waits until there is room for a connection that has come.
func (g *gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !g.sleep(g.rate.take(1), nil) {
		c.Close()
		return nil, net.ErrClosed
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetWriteBuffer(128 << 10) // what clients do not read must not fill the kernel's memory
	}
	for {
		out, wait := g.enter(c)
		if out != nil {
			return out, nil
		}
		if !g.sleep(wait, g.freed) {
			c.Close()
			return nil, net.ErrClosed
		}
	}
}

// sleep may be woken early; it returns false if the listener was closed.
func (g *gate) sleep(d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-g.closed:
		return false
	case <-wake:
	case <-t.C:
	}
	return true
}

// enter returns the connection if there is room, or how long to wait for it.
func (g *gate) enter(c net.Conn) (net.Conn, time.Duration) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.open) >= g.limits.connections {
		victim, reason := g.victim(now)
		if victim == nil {
			return nil, 5 * time.Millisecond
		}
		delete(g.open, victim)
		victim.Conn.Close()
		g.refuse(reason)
	}
	out := &guarded{Conn: c, gate: g, since: now}
	g.open[out] = struct{}{}
	return out, 0
}

// victim chooses the connection that has waited longest: one that should have sent its
// first request, else one between requests, else one whose answer is not read.
func (g *gate) victim(now time.Time) (*guarded, string) {
	grace := g.limits.grace
	if g.encrypted {
		grace *= 3 // the handshake takes turns with a client that may be far away
	}
	oldest := map[http.ConnState]*guarded{}
	for c := range g.open {
		if c.state == http.StateNew && !c.begun {
			continue // its request may be there: it is the server that is slow
		}
		if o := oldest[c.state]; o == nil || c.since.Before(o.since) {
			oldest[c.state] = c
		}
	}
	if c := oldest[http.StateNew]; c != nil && now.Sub(c.since) >= grace {
		return c, refusedSlow
	}
	if c := oldest[http.StateIdle]; c != nil {
		return c, refusedIdle
	}
	if c := oldest[http.StateActive]; c != nil && now.Sub(c.since) >= g.limits.stuck {
		return c, refusedStuck
	}
	return nil, ""
}

// state is the server's http.Server.ConnState.
func (g *gate) state(c net.Conn, s http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	x, ok := c.(*guarded)
	if !ok || s == http.StateNew {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	x.state, x.since = s, time.Now()
}

// dismiss closes the connections that have sent no request: to wait for them would hold the
// end of the program up.
func (g *gate) dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.open {
		if c.state == http.StateNew {
			c.Conn.Close()
		}
	}
}

// Close ends Accept, too, if it waits for room.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

// Read delays the first bytes of an encrypted connection until its turn: the handshake that
// they begin is what costs most of all that a client can ask for.
func (c *guarded) Read(b []byte) (int, error) {
	if !c.looked {
		c.looked = true
		c.restart()
	}
	n, err := c.Conn.Read(b)
	if !c.gate.encrypted || c.greeted || n == 0 {
		return n, err
	}
	c.greeted = true
	wait, ok := c.gate.handshakes.takeWithin(1, c.gate.limits.wait)
	if !ok {
		c.gate.refuse(refusedBusy)
		return 0, errBusy
	}
	if !c.gate.sleep(wait, nil) {
		return 0, net.ErrClosed
	}
	c.restart()
	return n, err
}

// restart begins the connection's grace anew.
func (c *guarded) restart() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.begun, c.since = true, time.Now()
}

var errBusy = errors.New("too many handshakes")

// Close gives the connection's place away.
func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.gate.mu.Lock()
	delete(c.gate.open, c)
	c.gate.mu.Unlock()
	select {
	case c.gate.freed <- struct{}{}:
	default:
	}
	return err
}

// CloseWrite lets the server end a connection without losing its last answer.
func (c *guarded) CloseWrite() error {
	if x, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return x.CloseWrite()
	}
	return errors.ErrUnsupported
}

// bucket is a rate that may be exceeded by a burst.
type bucket struct {
	perSecond, burst float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

// take returns how long to wait before using n.
func (b *bucket) take(n float64) time.Duration {
	wait, _ := b.takeWithin(n, -1)
	return wait
}

// takeWithin takes nothing and returns false if the wait were longer than the limit;
// a negative limit is none.
func (b *bucket) takeWithin(n float64, limit time.Duration) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.at.IsZero() {
		b.left = b.burst
	} else {
		b.left = min(b.left+now.Sub(b.at).Seconds()*b.perSecond, b.burst)
	}
	b.at = now
	// The wait is for what others took: a body larger than the burst must be possible.
	wait := time.Duration(max(-b.left, 0) / b.perSecond * float64(time.Second))
	if limit >= 0 && wait > limit {
		return wait, false
	}
	b.left -= n
	return wait, true
}
