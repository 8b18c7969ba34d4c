package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// holder keeps each batch for a while, as one that waits for memory or for another lane does, and knows how much it
// holds at most.
type holder struct {
	mu         sync.Mutex
	held, most int
	read       map[int]int
	hold       func(ctx context.Context, b *Batch)
}

func (h *holder) HandleBatch(ctx context.Context, b *Batch) error {
	n := 0
	for i := range b.Records {
		n += len(b.Records[i].Value)
	}
	h.add(n)
	if n > flushBytes {
		h.hold(ctx, b)
	}
	h.add(-n)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read[b.Partition] += n
	return nil
}

func (h *holder) add(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held += n
	h.most = max(h.most, h.held)
}

// all reports whether each of the partitions has had so many bytes.
func (h *holder) all(partitions, bytes int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range partitions {
		if h.read[i] < bytes {
			return false
		}
	}
	return true
}

// largeBatch is one whose records have 100 KB each.
func largeBatch(t *testing.T, codec compress.Compression, base int64, bytes int) rawBatch {
	b := rawBatch{base: base, attributes: int16(codec), count: int32(bytes / 100_000), lastDelta: int32(bytes/100_000 - 1), producer: -1}
	value := make([]byte, 100_000)
	var body []byte
	for i := range b.count {
		copy(value, fmt.Sprint(base, i))
		body = append(body, rawRecord(0, int64(i), nil, value)...)
	}
	b.body = pack(t, codec, body)
	return b
}

// What all partitions together hold of large batches is bounded, whether they are packed or not, and so is
// what they keep of them.
func TestLargeBatchesTogether(t *testing.T) {
	const partitions, size, rounds = 6, 7_500_000, 2
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			s := newScripts(t, partitions)
			h := &holder{read: map[int]int{}, hold: func(context.Context, *Batch) { time.Sleep(30 * time.Millisecond) }}
			for i := range int64(rounds) {
				s.append(largeBatch(t, codec, i*size/100_000, size))
			}
			cfg := quick(s.broker, s.topic)
			cfg.MaxBatchBytes = 8 << 20
			r := startWith(t, cfg, newCollector(), h)
			eventually(t, "all of it", func() bool { return h.all(partitions, rounds*size) })
			limit, each := cfg.Memory()
			if int64(h.most) > limit {
				t.Errorf("%d MiB are held at once, at most %d MiB may be", h.most>>20, limit>>20)
			}
			eventually(t, "the end", func() bool {
				for _, p := range r.Status().Partitions {
					if !p.CaughtUp {
						return false
					}
				}
				return true
			})
			script := s.bytes()
			eventually(t, "memory is given back", func() bool {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return int64(m.HeapAlloc)-int64(script) < partitions*each
			})
			for _, p := range r.Status().Partitions {
				if want := int64(rounds * size / 100_000); p.Next != want {
					t.Errorf("partition %d is at %d of %d", p.Partition, p.Next, want)
				}
			}
		})
	}
}

// A handler that waits for what another partition reads gives the memory back before, or lends its room.
func TestFree(t *testing.T) {
	for _, codec := range []compress.Compression{compress.None, compress.Gzip} {
		for name, give := range map[string]func(b *Batch){"free": (*Batch).Free, "lend": (*Batch).Lend} {
			t.Run(codec.String()+" "+name, func(t *testing.T) {
				const partitions, size = 3, 7_500_000
				s := newScripts(t, partitions)
				s.append(largeBatch(t, codec, 0, size))
				together := make(chan struct{})
				var arrived sync.WaitGroup
				arrived.Add(partitions)
				go func() { arrived.Wait(); close(together) }()
				h := &holder{read: map[int]int{}, hold: func(ctx context.Context, b *Batch) {
					n := len(b.Records)
					if give(b); name == "free" && len(b.Records) > 0 || name == "lend" && len(b.Records) != n {
						t.Errorf("%d of %d records are still there", len(b.Records), n)
					}
					arrived.Done()
					select {
					case <-together:
					case <-ctx.Done():
					}
				}}
				cfg := quick(s.broker, s.topic)
				cfg.MaxBatchBytes = 8 << 20
				startWith(t, cfg, newCollector(), h)
				eventually(t, "all of it", func() bool { return h.all(partitions, size) })
			})
		}
	}
}

// Reading ends although no room is ever given back.
func TestNoRoomAtTheEnd(t *testing.T) {
	const size = 7_500_000
	s := newScripts(t, 4)
	s.append(largeBatch(t, compress.Zstd, 0, size))
	held := make(chan struct{}, 4)
	h := &holder{read: map[int]int{}, hold: func(ctx context.Context, _ *Batch) {
		held <- struct{}{}
		<-ctx.Done()
	}}
	cfg := quick(s.broker, s.topic)
	cfg.MaxBatchBytes = 8 << 20
	r := startWith(t, cfg, newCollector(), h)
	<-held
	if r.stop(t); r.err != nil && !errors.Is(r.err, context.Canceled) {
		t.Error(r.err)
	}
}
