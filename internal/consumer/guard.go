package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxAnswer bounds what is read of an answer that is not a fetch's, which has limits of its own.
	maxAnswer = 32 << 20
	// answerTimeout ends a wait for an answer to which the library has set no limit.
	answerTimeout = requestTimeout
)

var (
	errAnswer      = errors.New("malformed response")
	errCorrelation = errors.New("response to another request")
)

// guard is a connection whose answers are looked at before the library sees them. The library
// makes arrays of whatever length it is told, which ends the process; it waits for ever for the
// answers of an authentication; and where two of its goroutines wait for answers
// and the one that comes is for neither, both look at it for ever.
type guard struct {
	net.Conn

	mu      sync.Mutex
	asked   []request // whose answers are on their way, in that order
	head    []byte    // of a request that is being written
	rest    int       // bytes of it that are still to come
	off     bool      // what follows is not of the protocol: tokens of an old authentication
	limited bool      // the library has set a deadline for reading

	// Of the one that reads.
	in   []byte // looked at and not read yet
	pass int    // bytes that follow it and need no look
	err  error  // of the last look: the library reads on to find the end of an answer
}

// request is what must be known of one to judge its answer.
type request struct {
	key         protocol.ApiKey
	version     int16
	correlation int32
}

const requestHead = 12 // size, key, version, correlation id

// Write notes the requests.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.note(p)
	g.mu.Unlock()
	return g.Conn.Write(p)
}

func (g *guard) note(p []byte) {
	for len(p) > 0 && !g.off {
		if g.rest > 0 {
			n := min(g.rest, len(p))
			g.rest, p = g.rest-n, p[n:]
			continue
		}
		n := min(requestHead-len(g.head), len(p))
		g.head, p = append(g.head, p[:n]...), p[n:]
		if len(g.head) < requestHead {
			return
		}
		r := wireReader{b: g.head}
		size := int(r.int32())
		ask := request{protocol.ApiKey(r.int16()), r.int16(), r.int32()}
		g.asked = append(g.asked, ask)
		g.rest, g.head = max(0, size-requestHead+4), g.head[:0]
		g.off = ask.key == protocol.SaslHandshake && ask.version == 0
	}
}

// next returns the request that the next answer belongs to.
func (g *guard) next() (request, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) == 0 {
		return request{}, false
	}
	r := g.asked[0]
	g.asked = g.asked[1:]
	return r, true
}

// SetDeadline is that of the connection.
func (g *guard) SetDeadline(t time.Time) error {
	g.limit(t)
	return g.Conn.SetDeadline(t)
}

// SetReadDeadline is that of the connection.
func (g *guard) SetReadDeadline(t time.Time) error {
	g.limit(t)
	return g.Conn.SetReadDeadline(t)
}

func (g *guard) limit(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limited = !t.IsZero()
}

// Read hands on what was looked at.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.in) == 0 && g.pass == 0 && g.err == nil {
		g.err = g.look()
	}
	if g.err != nil {
		return 0, g.err
	}
	if len(g.in) > 0 {
		n := copy(p, g.in)
		g.in = g.in[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.pass)])
	g.pass -= n
	return n, err
}

// look reads the head of the next answer, and all of it unless it is a fetch's.
func (g *guard) look() error {
	g.mu.Lock()
	limited, off := g.limited, g.off && len(g.asked) == 0
	g.mu.Unlock()
	if !limited {
		if err := g.Conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
			return err
		}
	}
	if off {
		g.pass = maxAnswer
		return nil
	}
	head := make([]byte, 8) // size, correlation id
	n, err := io.ReadAtLeast(g.Conn, head, 4)
	size := int(int32(binary.BigEndian.Uint32(head))) - 4
	if err == nil && size >= 0 {
		_, err = io.ReadFull(g.Conn, head[n:])
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF // as after an alert of TLS, which says as little
	}
	if err != nil {
		return err
	}
	asked, ok := g.next()
	if !ok || size >= 0 && asked.correlation != int32(binary.BigEndian.Uint32(head[4:])) {
		return errCorrelation
	}
	if size < 0 || size > maxAnswer && asked.key != protocol.Fetch {
		return fmt.Errorf("%s: response of %d bytes", asked.key, size)
	}
	g.in = head
	if asked.key == protocol.Fetch {
		g.pass = size
		return nil
	}
	g.in = append(g.in, make([]byte, size)...)
	if _, err := io.ReadFull(g.Conn, g.in[8:]); err != nil {
		return err
	}
	if !wellFormed(asked, g.in[8:]) {
		return fmt.Errorf("%s: %w", asked.key, errAnswer)
	}
	return nil
}

// wellFormed reports whether an answer holds what the lengths of its arrays say, as far as the
// library relies on that.
func wellFormed(asked request, body []byte) bool {
	r := wireReader{b: body}
	r.form(shapes[shape{asked.key, asked.version}])
	if asked.key == protocol.SyncGroup && !r.bad && len(body) > 6 {
		r = wireReader{b: body[6:]} // the assignment, which another member has made
		r.form("2[s[4]]")
	}
	return !r.bad
}

type shape struct {
	key     protocol.ApiKey
	version int16
}

// shapes are the answers of which the library makes arrays before it has read their elements: 1, 2, 4 and
// 8 are integers, s is a text, b are bytes, and brackets hold the elements of an array.
var shapes = map[shape]string{
	{protocol.ApiVersions, 0}: "2[222]",
	{protocol.ApiVersions, 1}: "2[222]4",
	{protocol.ApiVersions, 2}: "2[222]4",

	{protocol.Metadata, 1}: "[4s4s]4[2s1[244[4][4]]]",
	{protocol.Metadata, 2}: "[4s4s]s4[2s1[244[4][4]]]",
	{protocol.Metadata, 3}: "4[4s4s]s4[2s1[244[4][4]]]",
	{protocol.Metadata, 4}: "4[4s4s]s4[2s1[244[4][4]]]",
	{protocol.Metadata, 5}: "4[4s4s]s4[2s1[244[4][4][4]]]",
	{protocol.Metadata, 6}: "4[4s4s]s4[2s1[244[4][4][4]]]",
	{protocol.Metadata, 7}: "4[4s4s]s4[2s1[2444[4][4][4]]]",
	{protocol.Metadata, 8}: "4[4s4s]s4[2s1[2444[4][4][4]]4]4",

	{protocol.ListOffsets, 1}: "[s[4288]]",
	{protocol.ListOffsets, 2}: "4[s[4288]]",
	{protocol.ListOffsets, 3}: "4[s[4288]]",
	{protocol.ListOffsets, 4}: "4[s[42884]]",
	{protocol.ListOffsets, 5}: "4[s[42884]]",

	{protocol.Produce, 2}: "[s[4288]]4",
	{protocol.Produce, 3}: "[s[4288]]4",
	{protocol.Produce, 4}: "[s[4288]]4",
	{protocol.Produce, 5}: "[s[42888]]4",
	{protocol.Produce, 6}: "[s[42888]]4",
	{protocol.Produce, 7}: "[s[42888]]4",
	{protocol.Produce, 8}: "[s[42888[4s]s]]4",

	{protocol.SaslHandshake, 1}:    "2[s]",
	{protocol.SaslAuthenticate, 0}: "2sb",
	{protocol.SaslAuthenticate, 1}: "2sb8",
	{protocol.SyncGroup, 0}:        "2b",
}

// form skips what has a shape.
func (r *wireReader) form(shape string) {
	for i := 0; i < len(shape) && !r.bad; i++ {
		switch c := shape[i]; c {
		case 's':
			r.take(max(0, int(r.int16()))) // negative: null
		case 'b':
			r.take(max(0, int(r.int32())))
		case '[':
			end := closing(shape, i)
			n := r.int32()
			r.bad = r.bad || n < 0 // none of them may be null
			for ; n > 0 && !r.bad; n-- {
				r.form(shape[i+1 : end])
			}
			i = end
		default:
			r.take(int(c - '0'))
		}
	}
}

// closing returns the position of the bracket that closes the one at i.
func closing(shape string, i int) int {
	for depth := 0; ; i++ {
		switch shape[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
}
