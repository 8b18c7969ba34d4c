package consumer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/snappy"
	"github.com/segmentio/kafka-go/compress"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

func testUnpacker(t testing.TB, limit int) *unpacker {
	u, err := newUnpacker(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.zstd.Close)
	return u
}

// pack compresses as a producer does.
func pack(t testing.TB, codec compress.Compression, p []byte) []byte {
	if codec == compress.None {
		return p
	}
	var out bytes.Buffer
	w := codec.Codec().NewWriter(&out)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var codecs = []compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd}

// Whatever was packed comes out again, also several batches in one arena.
func TestUnpackRoundTrip(t *testing.T) {
	u := testUnpacker(t, 1<<20)
	var a arena
	rapid.Check(t, func(rt *rapid.T) {
		a.reset(1 << 16)
		var want, got [][]byte
		for range rapid.IntRange(1, 5).Draw(rt, "batches") {
			p := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(rt, "bytes"), rapid.IntRange(0, 3000).Draw(rt, "repeat"))
			codec := rapid.SampledFrom(codecs).Draw(rt, "codec")
			out, err := u.unpack(&a, int8(codec), pack(t, codec, p), nil)
			if err != nil {
				rt.Fatalf("%v: %v", codec, err)
			}
			want, got = append(want, p), append(got, out)
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				rt.Fatalf("batch %d of %d bytes came out as %d bytes", i, len(want[i]), len(got[i]))
			}
		}
	})
}

func TestUnpackBareSnappy(t *testing.T) {
	var a arena
	want := bytes.Repeat([]byte("bare block "), 100)
	got, err := testUnpacker(t, 1<<20).unpack(&a, int8(compress.Snappy), snappy.Encode(nil, want), nil)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// The limit holds for every codec, and exactly.
func TestUnpackLimit(t *testing.T) {
	const limit = 100_000
	u := testUnpacker(t, limit)
	for _, codec := range codecs[1:] {
		for _, c := range []struct {
			size int
			ok   bool
		}{{limit, true}, {limit + 1, false}, {50 * limit, false}} {
			var a arena
			_, err := u.unpack(&a, int8(codec), pack(t, codec, make([]byte, c.size)), nil)
			if (err == nil) != c.ok {
				t.Errorf("%v, %d bytes: %v", codec, c.size, err)
			}
			if cap(a.block) > 4*limit {
				t.Errorf("%v took %d bytes for a limit of %d", codec, cap(a.block), limit)
			}
		}
	}
}

// Any records survive the way through a batch, and every cut of it gives none or all.
func TestRecordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 20))
		b := rawBatch{base: rapid.Int64Range(0, 1<<40).Draw(t, "base"), producer: -1, firstTime: rapid.Int64Range(-1, 1<<41).Draw(t, "time")}
		var want []Record
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			b.lastDelta += rapid.Int32Range(1, 5).Draw(t, "hole")
			delta := rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Int64Range(0, 1<<41)).Draw(t, "delta")
			r := Record{Offset: b.base + int64(b.lastDelta), Timestamp: b.firstTime + delta, Key: field.Draw(t, "key"), Value: field.Draw(t, "value")}
			b.body = append(b.body, rawRecord(delta, int64(b.lastDelta), r.Key, r.Value)...)
			want = append(want, r)
			b.count++
		}
		set := append(b.bytes(), "rest"...)
		got, rest, ok := nextBatch(set, false)
		if !ok || got.err != nil || string(rest) != "rest" || got.base != b.base || got.last != b.base+int64(b.lastDelta) {
			t.Fatalf("batch %+v, rest %q", got, rest)
		}
		records, err := got.appendRecords(nil, got.packed, 0, 1<<62)
		if d := cmp.Diff(want, records, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Fatal(err, d)
		}
		if cut := rapid.IntRange(0, len(got.packed)).Draw(t, "cut"); cut < len(got.packed) {
			if part, err := got.appendRecords(nil, got.packed[:cut], 0, 1<<62); err == nil || len(part) > 0 {
				t.Fatalf("a cut at %d of %d gives %d records, %v", cut, len(got.packed), len(part), err)
			}
		}
	})
}

// The filter agrees with a naive one that looks each batch's transaction up.
func TestAbortFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var filter abortFilter
		var aborted []abortedTransaction
		var batches []recordBatch
		var want []bool
		open := map[int64][]int{} // a producer's batches of the open transaction
		for offset := range int64(rapid.IntRange(1, 60).Draw(t, "batches")) {
			producer := rapid.Int64Range(1, 3).Draw(t, "producer")
			b := recordBatch{base: offset, last: offset, producer: producer, attributes: transactionalFlag}
			kind := rapid.SampledFrom([]string{"data", "data", "plain", "commit", "abort"}).Draw(t, "kind")
			switch kind {
			case "data":
				open[producer] = append(open[producer], len(batches))
			case "plain":
				b.attributes = 0
			default:
				b.attributes |= controlFlag
				if kind == "abort" && len(open[producer]) > 0 {
					aborted = append(aborted, abortedTransaction{producer, batches[open[producer][0]].base})
					for _, i := range open[producer] {
						want[i] = true
					}
				}
				b.count = map[string]int32{"abort": 1}[kind] // remembered for the replay below
				delete(open, producer)
			}
			batches, want = append(batches, b), append(want, false)
		}
		filter.reset(slices.Clone(aborted))
		for i := range batches {
			marker := batches[i].control() && batches[i].count == 1
			if got := filter.aborted(&batches[i], marker); got != want[i] {
				t.Fatalf("batch %d of producer %d: aborted %v, want %v", i, batches[i].producer, got, want[i])
			}
		}
	})
}

// No bytes of a response make a partition panic, go back, stand still on a batch or
// break the account of offsets.
func FuzzFetchResponse(f *testing.F) {
	marker := rawBatch{base: 3, attributes: transactionalFlag | controlFlag, producer: 9, count: 1, body: rawRecord(0, 0, []byte{0, 0, 0, 0}, nil)}
	good := slices.Concat(plainBatch(0, "a", "b").bytes(), rawBatch{base: 2, producer: 9, attributes: transactionalFlag, count: 1, body: rawRecord(0, 0, nil, nil)}.bytes(), marker.bytes())
	response := func(set []byte) []byte {
		b := appendInt32(nil, 0)
		b = append(b, 0, 0) // error
		b = appendInt32(b, 0, 1)
		b = appendString(b, "t")
		b = appendInt32(b, 1, 0)
		b = append(b, 0, 0) // error
		for range 3 {
			b = appendInt64(b, 4)
		}
		b = appendInt32(b, 1)
		b = appendInt64(b, 9)
		b = appendInt64(b, 2)
		b = appendInt32(b, -1, int32(len(set)))
		return append(b, set...)
	}
	f.Add(response(good), uint8(11), false)
	f.Add(response(good[:len(good)-7]), uint8(11), true)
	f.Add(response(nil), uint8(4), false)
	for _, codec := range codecs {
		b := plainBatch(0, "a", "b")
		b.attributes, b.body = int16(codec), pack(f, codec, b.body)
		f.Add(response(b.bytes()), uint8(11), false)
	}
	u := testUnpacker(f, 1<<16)
	cfg := Config{ReadCommitted: true, MaxBatchBytes: 1 << 16}.withDefaults()
	f.Fuzz(func(t *testing.T, b []byte, version uint8, truncated bool) {
		res, err := parseFetch(b, int16(4+version%8), truncated)
		if err != nil || res.empty || res.code != 0 {
			return
		}
		c := newCollector()
		p := newPartition(&shared{cfg: &cfg, unpacker: u, handler: c}, Topic{Name: "t"}, 0)
		p.next = 1
		following := p.scan(fetched{res: res})
		if following < p.next || following == p.next && len(p.scanned) > 0 && p.next < p.end {
			t.Fatalf("position %d after %d", following, p.next)
		}
		if err := p.deliver(context.Background(), res, following); err != nil {
			t.Fatal(err)
		}
		for _, fault := range c.faults {
			t.Error(fault)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	for _, codec := range codecs {
		f.Add(int8(codec), pack(f, codec, []byte("some bytes, some bytes, some bytes")))
	}
	f.Add(int8(2), []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x05abc"))
	u := testUnpacker(f, 1<<16)
	f.Fuzz(func(t *testing.T, codec int8, b []byte) {
		var a arena
		if out, err := u.unpack(&a, codec, b, nil); err == nil && codec != 0 && len(out) > 1<<16 {
			t.Fatalf("%d bytes", len(out))
		}
	})
}

// What the decoder takes the bound of holds, and is no larger than it.
func FuzzZstdBound(f *testing.F) {
	f.Add(pack(f, compress.Zstd, bytes.Repeat([]byte("some bytes"), 100)))
	f.Add(zstdRLE(8, 3))
	f.Add(slices.Concat([]byte("\x50\x2a\x4d\x18\x02\x00\x00\x00ab"), zstdRLE(8, 3), zstdRLE(0, 1)))
	f.Add(zstdRLE(17, 3))
	d, err := newZstd(1 << 20)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(d.Close)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clone(b) // the window may change
		most, err := zstdBound(b, 1<<20)
		if err != nil && !errors.Is(err, errTooLarge) {
			if out, err := d.DecodeAll(b, nil); err == nil && len(out) > 0 {
				t.Fatalf("%d bytes unpack though they have no bound", len(out))
			}
			return
		}
		if err == nil {
			if out, err := d.DecodeAll(b, nil); err == nil && len(out) > most {
				t.Fatalf("%d bytes, at most %d", len(out), most)
			}
		}
	})
}

// countingHandler takes records and nothing else.
type countingHandler struct {
	left   int
	bytes  int
	cancel context.CancelFunc
}

func (h *countingHandler) HandleBatch(_ context.Context, b *Batch) error {
	for i := range b.Records {
		h.bytes += len(b.Records[i].Value)
	}
	if h.left -= len(b.Records); h.left <= 0 {
		h.cancel()
	}
	return nil
}

// BenchmarkConsume reads 767-byte messages from the embedded broker, which serves
// one batch again and again; the broker's own work is in the time.
func BenchmarkConsume(b *testing.B) {
	for _, c := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{{"none", kgo.NoCompression()}, {"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}} {
		b.Run(c.name, func(b *testing.B) {
			_, broker := testkafka.Fake(b, kfake.SeedTopics(1, "t"), kfake.SyntheticFetch(kfake.SyntheticBatch{
				Records: 1000, RecordBytes: 767, RandomFrac: 0.3, Compression: c.codec,
			}))
			ctx, cancel := context.WithCancel(context.Background())
			h := &countingHandler{left: b.N, cancel: cancel}
			consumer, err := New(quick(broker, "t"), h)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(767)
			b.ReportAllocs()
			b.ResetTimer()
			if err := consumer.Run(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkDecode is the work on one response without the network: 1,000 messages
// of 767 bytes a batch.
func BenchmarkDecode(b *testing.B) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 48)[:767]
	for _, codec := range codecs {
		b.Run(codec.String(), func(b *testing.B) {
			raw := rawBatch{lastDelta: 999, producer: -1, count: 1000}
			for i := range 1000 {
				binary.BigEndian.PutUint64(value[100:], uint64(i)*0x9e3779b97f4a7c15)
				raw.body = append(raw.body, rawRecord(0, int64(i), nil, value)...)
			}
			raw.attributes, raw.body = int16(codec), pack(b, codec, raw.body)
			set := raw.bytes()
			cfg := Config{}.withDefaults()
			u := testUnpacker(b, cfg.MaxBatchBytes)
			h := &countingHandler{left: 1 << 62, cancel: func() {}}
			p := newPartition(&shared{cfg: &cfg, unpacker: u, handler: h}, Topic{Name: "t"}, 0)
			res := &fetchResponse{records: set, highWatermark: 1 << 40}
			b.SetBytes(767 * 1000)
			b.ReportAllocs()
			for b.Loop() {
				p.next = 0
				if err := p.deliver(context.Background(), res, p.scan(fetched{res: res})); err != nil {
					b.Fatal(err)
				}
			}
			if h.bytes == 0 {
				b.Fatal(fmt.Errorf("nothing was read"))
			}
		})
	}
}
