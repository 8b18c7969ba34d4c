package sketch

import (
	"math"
	"slices"

	"github.com/influxdata/tdigest"
)

// Workspace is the scratch memory of one goroutine: buffers to sort with, and the one
// t-digest object that all its Quantiles share.
type Workspace struct {
	keys, spare []uint64
	counts      [digits][256]uint32
	digest      *tdigest.TDigest
	clusters    tdigest.CentroidList // of one chunk of values
	joined      tdigest.CentroidList // of two digests
}

const (
	digits    = 8  // of a key, in base 256
	sortSmall = 64 // from this length on sorting by radix is faster
)

// NewWorkspace returns an empty workspace.
func NewWorkspace() *Workspace {
	return &Workspace{digest: tdigest.NewWithCompression(compression)}
}

// Sort sorts finite values ascending, in place: by radix from the least digit on, of
// the floats' bits turned so that they order as integers do. −0 comes before 0 or, in
// short slices, is equal to it.
func (w *Workspace) Sort(xs []float64) {
	if len(xs) < sortSmall {
		slices.Sort(xs)
		return
	}
	w.load(xs)
	for d := range digits {
		w.pass(d)
	}
	for i, k := range w.keys {
		xs[i] = math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
	}
}

// load makes the keys and counts their digits.
func (w *Workspace) load(xs []float64) {
	w.keys = slices.Grow(w.keys[:0], len(xs))[:len(xs)]
	w.spare = slices.Grow(w.spare[:0], len(xs))[:len(xs)]
	w.counts = [digits][256]uint32{}
	for i, x := range xs {
		b := math.Float64bits(x)
		k := b ^ (uint64(int64(b)>>63) | 1<<63)
		w.keys[i] = k
		for d := range digits {
			w.counts[d][uint8(k>>(8*d))]++
		}
	}
}

// pass distributes the keys by one digit; one that all keys share is skipped.
func (w *Workspace) pass(d int) {
	starts, shift := &w.counts[d], 8*d
	if starts[uint8(w.keys[0]>>shift)] == uint32(len(w.keys)) {
		return
	}
	var sum uint32
	for i, c := range starts {
		starts[i] = sum
		sum += c
	}
	for _, k := range w.keys {
		digit := uint8(k >> shift)
		w.spare[starts[digit]] = k
		starts[digit]++
	}
	w.keys, w.spare = w.spare, w.keys
}
