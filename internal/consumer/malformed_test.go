package consumer

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// size sets the size of a frame.
func size(frame []byte, n int32) []byte {
	out := append([]byte(nil), frame...)
	binary.BigEndian.PutUint32(out, uint32(n))
	return out
}

// malformations of an answer.
var malformations = map[string]func(*testkafka.Answer){
	"cut":         func(a *testkafka.Answer) { n := 8 + (len(a.Frame)-8)/2; a.Frame = size(a.Frame[:n], int32(n-4)) },
	"only a head": func(a *testkafka.Answer) { a.Frame = size(a.Frame[:8], 4) },
	"zero length": func(a *testkafka.Answer) { a.Frame = size(a.Frame[:4], 0) },
	"less than a head": func(a *testkafka.Answer) {
		a.Frame = size(a.Frame[:6], 2)
	},
	"negative length":   func(a *testkafka.Answer) { a.Frame = size(a.Frame, -1) },
	"huge length":       func(a *testkafka.Answer) { a.Frame, a.Close = size(a.Frame, 1<<31-1), true },
	"closed half-way":   func(a *testkafka.Answer) { a.Frame, a.Close = a.Frame[:len(a.Frame)/2], true },
	"closed at once":    func(a *testkafka.Answer) { a.Frame, a.Close = nil, true },
	"wrong correlation": func(a *testkafka.Answer) { a.Frame = size(a.Frame, int32(len(a.Frame)-4)); a.Frame[7] ^= 0x55 },
	"of another": func(a *testkafka.Answer) { // an answer that was asked for before
		a.Frame = size(append(a.Frame[:4:4], binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(a.Frame[4:])-1)...), int32(len(a.Frame)-4))
	},
	"negative array": func(a *testkafka.Answer) { array(a, 0xFFFFFFFE) },
	"null array":     func(a *testkafka.Answer) { array(a, 0xFFFFFFFF) },
	"huge array":     func(a *testkafka.Answer) { array(a, 0x7FFFFFFF) },
	"no answer":      func(a *testkafka.Answer) { a.Frame = nil },
}

// array sets the length of the first array, or of the first bytes.
func array(a *testkafka.Answer, n uint32) {
	at := map[kmsg.Key]int{
		kmsg.ApiVersions: 2, kmsg.Metadata: 4, kmsg.ListOffsets: 4, kmsg.Fetch: 10, kmsg.SyncGroup: 2, kmsg.JoinGroup: 4,
		kmsg.SASLHandshake: 2, kmsg.SASLAuthenticate: 4,
	}[a.Key()] + 8
	if at+4 > len(a.Frame) {
		return // an error without a body
	}
	a.Frame = size(a.Frame, int32(len(a.Frame)-4))
	binary.BigEndian.PutUint32(a.Frame[at:], n)
}

// TestMalformedAnswers lets some answers of each API be what no broker sends, or be none.
func TestMalformedAnswers(t *testing.T) {
	for _, key := range []kmsg.Key{
		kmsg.ApiVersions, kmsg.Metadata, kmsg.ListOffsets, kmsg.Fetch, kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.SyncGroup,
		kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.OffsetFetch, kmsg.OffsetCommit, kmsg.SASLHandshake, kmsg.SASLAuthenticate,
	} {
		for name, malform := range malformations {
			t.Run(fmt.Sprint(key.Name(), " ", name), func(t *testing.T) {
				t.Parallel()
				malformed(t, key, name, malform)
			})
		}
	}
}

func malformed(t *testing.T, key kmsg.Key, name string, malform func(*testkafka.Answer)) {
	g := newRig(t, key == kmsg.SASLHandshake || key == kmsg.SASLAuthenticate)
	times := int32(3)
	if name == "no answer" {
		times = 1
	}
	before, began := g.meddler.Counts(), time.Now()
	g.meddle(key, func(a *testkafka.Answer) {
		if g.hits.Load() <= times {
			malform(a)
		}
	})
	eventually(t, "the answer is met", func() bool { return g.hits.Load() > 0 })
	g.produce(t)
	g.awaitHealth(t)
	g.produce(t)
	g.awaitHealth(t)
	g.run.stop(t)
	took := time.Since(began)
	for key, n := range g.meddler.Counts() {
		if n -= before[key]; n > 30+int(took/(20*time.Millisecond)) {
			t.Errorf("%d requests of %s in %v", n, key.Name(), took)
		}
	}
	if said := g.log.with(); len(said) > 12 {
		t.Errorf("%d lines: %q", len(said), said)
	}
	g.checkRead(t)
	t.Logf("%s %s: %v, %d answers", key.Name(), name, took.Round(time.Millisecond), g.hits.Load())
}
