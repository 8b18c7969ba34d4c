package testkafka

import (
	"encoding/binary"
	"maps"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Answer is what an embedded broker is about to send.
type Answer struct {
	Client  string // the id of the client
	Request kmsg.Request
	Frame   []byte // size, correlation id and what follows; nothing is sent if it becomes nil
	Close   bool   // the connection afterwards
}

// Meddler stands between an embedded broker and its clients, and counts and changes what it
// answers.
type Meddler struct {
	mu     sync.Mutex
	meddle func(*Answer)
	counts map[kmsg.Key]int
	conns  map[*meddled]bool
}

// Meddled is Fake with a meddler, which does nothing yet.
func Meddled(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, Broker, *Meddler) {
	t.Helper()
	m := &Meddler{counts: map[kmsg.Key]int{}, conns: map[*meddled]bool{}}
	c, b := Fake(t, append(opts, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return meddledListener{l, m}, err
	}))...)
	return c, b, m
}

// Set makes f see, and change, each answer from now on; it is called by one goroutine at a
// time, and must not wait. Nil ends it.
func (m *Meddler) Set(f func(*Answer)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meddle = f
}

// Break closes all connections of a client.
func (m *Meddler) Break(client string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		if c.client == client {
			c.Conn.Close()
		}
	}
}

// Counts returns how many requests of each kind the clients have sent so far.
func (m *Meddler) Counts() map[kmsg.Key]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}

type meddledListener struct {
	net.Listener
	meddler *Meddler
}

// Accept waits for a connection.
func (l meddledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	out := &meddled{Conn: c, meddler: l.meddler}
	l.meddler.mu.Lock()
	defer l.meddler.mu.Unlock()
	l.meddler.conns[out] = true
	return out, nil
}

// meddled is the broker's end of a connection. The broker writes an answer by one call.
type meddled struct {
	net.Conn
	meddler *Meddler
	in      []byte // of a request that is not whole yet

	client string // this and the rest are guarded by meddler.mu
	asked  []kmsg.Request
}

// Read takes a note of the requests.
func (c *meddled) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in = append(c.in, p[:n]...)
	for len(c.in) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(c.in))
		if len(c.in) < size {
			break
		}
		c.note(c.in[4:size])
		c.in = c.in[size:]
	}
	return n, err
}

func (c *meddled) note(b []byte) {
	r := kbin.Reader{Src: b}
	req := kmsg.RequestForKey(r.Int16())
	req.SetVersion(r.Int16())
	r.Int32() // correlation
	client := r.NullableString()
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	_ = req.ReadFrom(append([]byte(nil), r.Src...)) // what the broker cannot read either it does not answer
	c.meddler.mu.Lock()
	defer c.meddler.mu.Unlock()
	if client != nil {
		c.client = *client
	}
	c.asked = append(c.asked, req)
	c.meddler.counts[kmsg.Key(req.Key())]++
}

// Write sends what the meddler makes of an answer.
func (c *meddled) Write(p []byte) (int, error) {
	a := c.meddler.judge(c, p)
	if a.Frame != nil {
		if _, err := c.Conn.Write(a.Frame); err != nil {
			return 0, err
		}
	}
	if a.Close {
		c.Conn.Close()
	}
	return len(p), nil
}

func (m *Meddler) judge(c *meddled, frame []byte) Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := Answer{Client: c.client, Request: c.asked[0], Frame: frame}
	c.asked = c.asked[1:]
	if m.meddle != nil {
		m.meddle(&a)
	}
	return a
}

// Close closes the connection.
func (c *meddled) Close() error {
	c.meddler.mu.Lock()
	delete(c.meddler.conns, c)
	c.meddler.mu.Unlock()
	return c.Conn.Close()
}

// Key says what is answered.
func (a *Answer) Key() kmsg.Key { return kmsg.Key(a.Request.Key()) }

// header is the length of what precedes the body.
func (a *Answer) header(res kmsg.Response) int {
	if res.IsFlexible() && a.Key() != kmsg.ApiVersions {
		return 9
	}
	return 8
}

// Change decodes the answer, lets f change it, and encodes it again.
func (a *Answer) Change(f func(kmsg.Response)) {
	res := a.Request.ResponseKind()
	n := a.header(res)
	if err := res.ReadFrom(a.Frame[n:]); err != nil {
		panic(err) // the broker's own
	}
	f(res)
	a.Frame = res.AppendTo(append([]byte(nil), a.Frame[:n]...))
	binary.BigEndian.PutUint32(a.Frame, uint32(len(a.Frame)-4))
}

// Fail sets the error code at a level, as "Topics.Partitions.ErrorCode", of all that belongs to the topic, or
// of everything if it is empty.
func (a *Answer) Fail(level, topic string, code int16) {
	a.Change(func(res kmsg.Response) { fail(reflect.ValueOf(res).Elem(), strings.Split(level, "."), topic, code) })
}

func fail(v reflect.Value, path []string, topic string, code int16) {
	if len(path) == 1 {
		v.FieldByName(path[0]).SetInt(int64(code))
		return
	}
	for i, list := 0, v.FieldByName(path[0]); i < list.Len(); i++ {
		if name := list.Index(i).FieldByName("Topic"); topic != "" && name.IsValid() && nameOf(name) != topic {
			continue
		}
		fail(list.Index(i), path[1:], topic, code)
	}
}

// nameOf reads a string or a pointer to one.
func nameOf(v reflect.Value) string {
	if v.Kind() != reflect.Pointer {
		return v.String()
	}
	if v.IsNil() {
		return ""
	}
	return v.Elem().String()
}
