package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// letters writes letters until they are stored, as the program does.
type letters struct {
	writer  *Writer
	meddler *testkafka.Meddler
	cluster *kfake.Cluster
	broker  testkafka.Broker
	written int
}

func newLetters(t *testing.T) *letters {
	c, b, m := testkafka.Meddled(t, kfake.SeedTopics(1, "dead"))
	l := &letters{writer: NewWriter(quick(b), "dead", nil), meddler: m, cluster: c, broker: b}
	t.Cleanup(func() {
		if err := l.writer.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// write writes the next letter and returns the failures before it was stored.
func (l *letters) write(t *testing.T) (failures []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	letter := DeadLetter{Topic: "t", Offset: int64(l.written), Payload: []byte("p")}
	l.written++
	for {
		err := l.writer.Write(ctx, letter)
		if err == nil {
			return failures
		}
		if ctx.Err() != nil {
			t.Fatalf("not written within %v: %v", patient, failures)
		}
		failures = append(failures, err)
		pause(ctx, 50*time.Millisecond)
	}
}

// check fails unless each letter is stored, and those that are new in their order.
func (l *letters) check(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	client := l.broker.Client(t, kgo.ConsumeTopics("dead"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	seen := map[string]bool{}
	for len(seen) < l.written {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d letters are stored of %d", len(seen), l.written)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if key := string(r.Key); !seen[key] {
				if want := fmt.Sprintf("t/0/%d", len(seen)); key != want {
					t.Errorf("%s comes before %s", key, want)
				}
				seen[key] = true
			}
		})
	}
}

// TestErrorCodesOfWriter answers Produce with every error code for a while.
func TestErrorCodesOfWriter(t *testing.T) {
	const shards = 8
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			l := newLetters(t)
			for i, code := range codes() {
				if i%shards == shard && (!testing.Short() || i%4 == 0) {
					l.errorCode(t, code, false) // the broker has stored the letter
					l.errorCode(t, code, true)
				}
			}
			l.check(t)
		})
	}
}

func (l *letters) errorCode(t *testing.T, code int16, refused bool) {
	t.Helper()
	before, began := l.meddler.Counts()[kmsg.Produce], time.Now()
	var struck atomic.Int32
	strikes := func() bool { return struck.Add(1) == 1 || time.Since(began) < lasting() }
	l.meddler.Set(func(a *testkafka.Answer) {
		if a.Key() == kmsg.Produce && !refused && strikes() {
			a.Fail("Topics.Partitions.ErrorCode", "", code)
		}
	})
	if refused {
		fault := l.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Count: -1, Err: &kerr.Error{Message: "TEST", Code: code},
			When: func(kmsg.Request) bool { return strikes() },
		})
		defer fault.Remove()
	}
	failures := l.write(t)
	took := time.Since(began)
	if n := l.meddler.Counts()[kmsg.Produce] - before; n < 2 || n > 10+int(took/(50*time.Millisecond)) {
		t.Errorf("%d: %d requests in %v", code, n, took)
	}
	for _, err := range failures {
		if !strings.Contains(err.Error(), "dead") || !strings.Contains(err.Error(), fmt.Sprintf("[%d]", code)) {
			t.Errorf("%d: %v", code, err)
		}
		if errors.Is(err, ErrTooLarge) != (code == kerr.MessageTooLarge.Code) {
			t.Errorf("%d: too large? %v", code, err)
		}
	}
}

// TestMalformedAnswersToWriter lets some answers be what no broker sends, or be none.
func TestMalformedAnswersToWriter(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.Metadata, kmsg.ApiVersions} {
		for name, malform := range malformations {
			t.Run(fmt.Sprint(key.Name(), " ", name), func(t *testing.T) {
				t.Parallel()
				l := newLetters(t)
				l.write(t)
				left := 3
				if name == "no answer" {
					left = 1
				}
				l.meddler.Set(func(a *testkafka.Answer) {
					if a.Key() == key && left > 0 && a.Client == "streammon" {
						left--
						malform(a)
					}
				})
				l.meddler.Break("streammon")
				l.write(t)
				l.write(t)
				l.check(t)
			})
		}
	}
}
