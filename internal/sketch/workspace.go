package sketch

import (
	"math"
	"slices"

	"github.com/influxdata/tdigest"
)

// Workspace is the scratch memory of one goroutine: buffers to sort with, and the one
// t-digest object that all Quantiles of the goroutine share.
type Workspace struct {
	keys, spare []uint64
	counts      [digits][1 << digitBits]uint32
	digest      *tdigest.TDigest
	clusters    tdigest.CentroidList
}

const (
	digitBits = 11
	digits    = 6
)

// NewWorkspace returns an empty workspace.
func NewWorkspace() *Workspace {
	return &Workspace{digest: tdigest.NewWithCompression(compression)}
}

// sortSmall is the length from which the radix sort is faster.
const sortSmall = 128

// Sort sorts finite values, ascending, in place: by radix from the least digit on,
// over the bits of the floats, flipped so that they order as integers do.
func (w *Workspace) Sort(xs []float64) {
	if len(xs) < sortSmall {
		slices.Sort(xs)
		return
	}
	w.keys, w.spare = slices.Grow(w.keys[:0], len(xs))[:len(xs)], slices.Grow(w.spare[:0], len(xs))[:len(xs)]
	clear(w.counts[:])
	for i, x := range xs {
		b := math.Float64bits(x)
		k := b ^ (uint64(int64(b)>>63) | 1<<63)
		w.keys[i] = k
		for d := range digits {
			w.counts[d][k>>(digitBits*d)&(1<<digitBits-1)]++
		}
	}
	for d := range digits {
		w.pass(d, len(xs))
	}
	for i, k := range w.keys {
		xs[i] = math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
	}
}

// pass distributes the keys by one digit; one that all keys share is skipped.
func (w *Workspace) pass(d, n int) {
	counts := &w.counts[d]
	shift := digitBits * d
	if counts[w.keys[0]>>shift&(1<<digitBits-1)] == uint32(n) {
		return
	}
	var sum uint32
	for i, c := range counts {
		counts[i] = sum
		sum += c
	}
	for _, k := range w.keys {
		digit := k >> shift & (1<<digitBits - 1)
		w.spare[counts[digit]] = k
		counts[digit]++
	}
	w.keys, w.spare = w.spare, w.keys
}
