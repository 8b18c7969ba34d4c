package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// zstdRLE is a frame of n blocks of 128 KiB of zeros, 4 bytes each, with a window of
// 1 KiB << exponent and without its size.
func zstdRLE(exponent, n int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, byte(exponent << 3)}
	size := min(largestBlock, 1024<<exponent)
	for i := range n {
		head := size<<3 | 1<<1
		if i == n-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return b
}

// xerial frames blocks as Java does.
func xerial(blocks ...[]byte) []byte {
	b := []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
	for _, block := range blocks {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(block))), block...)
	}
	return b
}

// bombs are bodies of batches by their codec. Each unpacks, or claims to unpack, to more
// than memory is good for.
func bombs(t *testing.T) map[string]rawBatch {
	zeros := make([]byte, 64<<20)
	repeat := func(codec compress.Compression, n int) []byte {
		return bytes.Repeat(pack(t, codec, zeros), n)
	}
	block := snappy.Encode(nil, zeros[:1<<20])
	claim := append(binary.AppendUvarint(nil, 1<<32-1), block[3:]...)
	bomb := func(codec compress.Compression, body []byte) rawBatch {
		return rawBatch{attributes: int16(codec), body: body}
	}
	records := plainBatch(0, make([]string, 1000)...)
	lie := bomb(compress.Gzip, pack(t, compress.Gzip, records.body))
	lie.count = 1<<31 - 1
	small := bomb(compress.Gzip, pack(t, compress.Gzip, tiny(1_600_000)))
	small.lastDelta, small.count = 1_600_000-1, 1_600_000
	return map[string]rawBatch{
		"records lie":  lie,
		"records":      small,
		"gzip":         bomb(compress.Gzip, repeat(compress.Gzip, 16)),
		"lz4":          bomb(compress.Lz4, repeat(compress.Lz4, 4)),
		"zstd blocks":  bomb(compress.Zstd, zstdRLE(13, 1<<18)),
		"zstd window":  bomb(compress.Zstd, zstdRLE(17, 1<<18)),
		"zstd frames":  bomb(compress.Zstd, repeat(compress.Zstd, 64)),
		"zstd flushed": bomb(compress.Zstd, flushed(t, bytes.Repeat([]byte("some bytes"), 10<<20), 100_000, zstd.WithWindowSize(64<<20))),
		"snappy claim": bomb(compress.Snappy, claim),
		"snappy":       bomb(compress.Snappy, snappy.Encode(nil, zeros)),
		"xerial claim": bomb(compress.Snappy, xerial(slices.Repeat([][]byte{claim}, 20)...)),
		"xerial":       bomb(compress.Snappy, xerial(slices.Repeat([][]byte{block}, 64)...)),
	}
}

// watchMemory samples until the returned function is called, which returns by how many
// bytes the heap's objects and the memory taken from the system grew at most.
func watchMemory() func() (heap, system int64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	read := func() (int64, int64) {
		metrics.Read(samples)
		return int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64() - samples[2].Value.Uint64())
	}
	debug.FreeOSMemory() // what earlier tests took would hide what this one takes
	heap0, system0 := read()
	var heap, system int64
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			h, s := read()
			heap, system = max(heap, h-heap0), max(system, s-system0)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() (int64, int64) {
		close(stop)
		done.Wait()
		return heap, system
	}
}

// A batch that unpacks to gigabytes is skipped by its own last offset, takes no more memory
// than a batch may, and what lies behind it arrives.
func TestDecompressionBombs(t *testing.T) {
	const most = 64 << 20
	for name, bomb := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.append(plainBatch(0, "before"))
			r := start(t, quick(s.broker, s.topic), newCollector())
			r.got.waitTotal(t, 1)
			bomb.base, bomb.lastDelta, bomb.producer = 1, max(bomb.lastDelta, 999), -1
			reason, last := SkipTooLarge, 1+int64(bomb.lastDelta)
			if name == "records lie" {
				reason = SkipCorrupt
			}
			packed, size := bomb.bytes(), len(bomb.body)
			grown := watchMemory()
			s.appendBytes(last, packed)
			s.append(plainBatch(last+1, "behind"))
			r.got.waitTotal(t, 2)
			heap, system := grown()
			t.Logf("%d KiB: heap +%.1f MiB, system +%.1f MiB", size>>10, float64(heap)/(1<<20), float64(system)/(1<<20))
			if heap > most || system > most {
				t.Errorf("the heap grew by %d bytes, the system's memory by %d", heap, system)
			}
			key := partitionKey{s.topic, 0}
			var want [SkipReasons]int64
			want[reason] = 1
			if got := r.got.reasons[key]; got != want {
				t.Errorf("skipped %v, want one %v", got, reason)
			}
			if got := r.got.records[key]; got[1].Offset != last+1 || string(got[1].Value) != "behind" {
				t.Errorf("then came %+v", got[1])
			}
		})
	}
}

// flushed packs as a producer does whose blocks are small: each holds so many bytes.
func flushed(t *testing.T, p []byte, block int, options ...zstd.EOption) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, options...)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(p, block) {
		_, err := w.Write(part)
		if err = errors.Join(err, w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A batch of zstd that is within the limit is read however small its blocks and however large its window
// are, and one that is not takes no more memory than the limit.
func TestZstdSmallBlocks(t *testing.T) {
	const limit = 32 << 20
	u := testUnpacker(t, limit)
	value := []byte("a value that compresses, ")
	for _, window := range []int{1 << 10, 8 << 20, 128 << 20} {
		for _, c := range []struct{ size, block int }{{23 << 20, 60_000}, {limit - limit%1000, 1000}, {limit, 1 << 20}, {limit + 1, 60_000}, {limit + 1, 1 << 20}, {3 * limit, 100_000}} {
			want := bytes.Repeat(value, c.size/len(value)+1)[:c.size]
			packed := flushed(t, want, c.block, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var a arena
			got, err := u.unpack(&a, int8(compress.Zstd), packed, nil)
			runtime.ReadMemStats(&after)
			switch {
			case c.size > limit && !errors.Is(err, errTooLarge):
				t.Errorf("window %d, %d bytes in blocks of %d: %v", window, c.size, c.block, err)
			case c.size <= limit && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("window %d, %d bytes in blocks of %d: %d bytes, %v", window, c.size, c.block, len(got), err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > limit+8<<20 {
				t.Errorf("window %d, %d bytes in blocks of %d: %d MiB allocated", window, c.size, c.block, n>>20)
			}
		}
	}
}

// A few bytes of snappy that claim to be as many as the limit allows are not believed.
func TestSnappyLie(t *testing.T) {
	u := testUnpacker(t, 32<<20)
	lie := append(binary.AppendUvarint(nil, 31<<20), make([]byte, 100)...)
	for _, packed := range [][]byte{lie, xerial(lie, lie)} {
		var a arena
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := u.unpack(&a, int8(compress.Snappy), packed, nil)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 1<<20 {
			t.Errorf("%v, %d bytes allocated", err, n)
		}
	}
}

// A batch that is just within the limit is read, and takes its size and half of it for the
// records; the rest is what the collector has not yet taken back.
func TestLargestBatch(t *testing.T) {
	const most = 80 << 20
	limit := Config{}.withDefaults().MaxBatchBytes
	value := make([]byte, 100)
	var body []byte
	n := 0
	for ; len(body) < limit-128 && n < limit/minRecordShare; n++ {
		body = append(body, rawRecord(0, int64(n), nil, value)...)
	}
	for _, codec := range codecs[1:] {
		t.Run(codec.String(), func(t *testing.T) {
			s := newScript(t)
			s.append(plainBatch(0, "before"))
			h := &countingHandler{left: 1 << 30}
			c := newCollector()
			r := startWith(t, quick(s.broker, s.topic), c, h)
			eventually(t, "the first record", func() bool { return r.Status().Partitions != nil && r.Status().Partitions[0].Next == 1 })
			packed := rawBatch{base: 1, lastDelta: int32(n - 1), attributes: int16(codec), count: int32(n), producer: -1, body: pack(t, codec, body)}.bytes()
			grown := watchMemory()
			s.appendBytes(int64(n), packed)
			eventually(t, "all records", func() bool { return r.Status().Partitions[0].Next == int64(n+1) })
			r.stop(t)
			heap, system := grown()
			t.Logf("%d KiB, %d records: heap +%.1f MiB, system +%.1f MiB", len(packed)>>10, n, float64(heap)/(1<<20), float64(system)/(1<<20))
			if heap > most || system > most {
				t.Errorf("the heap grew by %d bytes, the system's memory by %d", heap, system)
			}
			if h.bytes != 100*n+len("before") {
				t.Errorf("%d bytes of %d", h.bytes, 100*n)
			}
		})
	}
}
