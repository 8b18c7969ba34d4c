package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

// Full answers, as the library writes them, have the shapes that the guard knows, and no part
// of one has.
func TestShapesAreThoseOfTheLibrary(t *testing.T) {
	full := []protocol.Message{
		&apiversions.Response{ApiKeys: []apiversions.ApiKeyResponse{{ApiKey: 1, MaxVersion: 2}, {ApiKey: 3}}},
		&metadata.Response{
			Brokers: []metadata.ResponseBroker{{NodeID: 1, Host: "host", Rack: "rack"}, {NodeID: 2}}, ClusterID: "cluster",
			Topics: []metadata.ResponseTopic{{Name: "topic", Partitions: []metadata.ResponsePartition{
				{ReplicaNodes: []int32{1, 2}, IsrNodes: []int32{1}, OfflineReplicas: []int32{1, 2, 3}}, {},
			}}, {}},
		},
		&listoffsets.Response{Topics: []listoffsets.ResponseTopic{{Topic: "t", Partitions: []listoffsets.ResponsePartition{{}, {Offset: 1}}}}},
		&produce.Response{Topics: []produce.ResponseTopic{{Topic: "t", Partitions: []produce.ResponsePartition{
			{ErrorMessage: "m", RecordErrors: []produce.ResponseError{{BatchIndexErrorMessage: "e"}, {}}}, {},
		}}}},
		&saslhandshake.Response{Mechanisms: []string{"PLAIN", ""}},
		&saslauthenticate.Response{ErrorMessage: "m", AuthBytes: []byte("token")},
	}
	seen := 0
	for _, m := range full {
		key := m.ApiKey()
		for version := key.MinVersion(); version <= key.MaxVersion(); version++ {
			form, ok := shapes[shape{key, version}]
			if !ok {
				if key != protocol.Produce && key != protocol.Metadata && key != protocol.SaslHandshake {
					t.Errorf("%s %d has no shape", key, version)
				}
				continue
			}
			seen++
			var frame bytes.Buffer
			if err := protocol.WriteResponse(&frame, version, 7, m); err != nil {
				t.Fatal(err)
			}
			body := frame.Bytes()[8:]
			r := wireReader{b: body}
			if r.form(form); r.bad || len(r.b) != 0 {
				t.Errorf("%s %d: bad %v, %d bytes are left", key, version, r.bad, len(r.b))
			}
			for n := range body {
				if wellFormed(request{key: key, version: version}, body[:n]) {
					t.Errorf("%s %d: %d of %d bytes are well-formed", key, version, n, len(body))
				}
			}
		}
	}
	if seen != len(shapes)-1 { // the library keeps its SyncGroup to itself
		t.Errorf("%d shapes of %d", seen, len(shapes))
	}
}

// FuzzWellFormed looks for an answer that passes and has the library make more than its size
// justifies, or panic.
func FuzzWellFormed(f *testing.F) {
	f.Add(int16(18), int16(0), []byte{0, 0, 0xff, 0xff, 0xff, 0xfe})
	f.Add(int16(14), int16(0), []byte{0, 0, 0, 0, 0, 6, 0, 1, 0x7f, 0xff, 0xff, 0xff})
	f.Add(int16(3), int16(8), make([]byte, 60))
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		asked := request{key: protocol.ApiKey(key), version: version}
		if _, known := shapes[shape{asked.key, version}]; !wellFormed(asked, body) || !known || asked.key == protocol.SyncGroup {
			return
		}
		if version < asked.key.MinVersion() || version > asked.key.MaxVersion() {
			return // the library has another way for it
		}
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
		frame = append(append(frame, 0, 0, 0, 7), body...)
		if n := testing.AllocsPerRun(1, func() { _, _, _ = protocol.ReadResponse(bytes.NewReader(frame), asked.key, version) }); n > float64(100+len(body)) {
			t.Errorf("%.0f allocations for %d bytes", n, len(body))
		}
	})
}

// pipe returns a guard whose other end is served by f.
func pipe(t *testing.T, f func(net.Conn)) *guard {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); f(there) }()
	t.Cleanup(func() { here.Close(); there.Close(); <-done })
	return &guard{Conn: here}
}

// ask is the head of a request without a body.
func ask(key, version int16, correlation uint32) []byte {
	b := []byte{0, 0, 0, 8}
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return binary.BigEndian.AppendUint32(b, correlation)
}

// Requests may be written in pieces, and answers are read in pieces, too.
func TestGuardInPieces(t *testing.T) {
	g := pipe(t, func(c net.Conn) {
		_, _ = io.CopyN(io.Discard, c, 24)
		for _, b := range []byte{0, 0, 0, 14, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 6, 'x', 'y', 'z'} {
			_, _ = c.Write([]byte{b})
		}
	})
	for _, b := range append(ask(18, 0, 5), ask(1, 11, 6)...) {
		if _, err := g.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 29)
	if _, err := io.ReadFull(g, got); err != nil || string(got[26:]) != "xyz" {
		t.Fatalf("%q, %v", got, err)
	}
}

// An answer that nobody asked for is an error.
func TestGuardUnasked(t *testing.T) {
	g := pipe(t, func(c net.Conn) { _, _ = c.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0}) })
	if _, err := g.Read(make([]byte, 8)); !errors.Is(err, errCorrelation) {
		t.Errorf("%v", err)
	}
}

// Tokens of an old authentication have no correlation ids.
func TestGuardOldTokens(t *testing.T) {
	g := pipe(t, func(c net.Conn) {
		_, _ = io.CopyN(io.Discard, c, 12)
		_, _ = c.Write([]byte{0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		_, _ = io.CopyN(io.Discard, c, 9)
		_, _ = c.Write([]byte{0, 0, 0, 1, 'k'})
	})
	if _, err := g.Write(ask(17, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(g, make([]byte, 14)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write([]byte{0, 0, 0, 5, 't', 'o', 'k', 'e', 'n'}); err != nil {
		t.Fatal(err)
	}
	token := make([]byte, 5)
	if _, err := io.ReadFull(g, token); err != nil || token[4] != 'k' {
		t.Errorf("%q, %v", token, err)
	}
}

// What the library sets no limit to has one.
func TestGuardLimitsWaiting(t *testing.T) {
	t.Parallel()
	g := pipe(t, func(net.Conn) {})
	began := time.Now()
	var timeout net.Error
	if _, err := g.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > answerTimeout+5*time.Second {
		t.Errorf("waited for %v", took)
	}
}
