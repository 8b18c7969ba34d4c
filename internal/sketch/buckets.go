package sketch

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The buckets of an ExpHistogram: 32 an octave, 512 a sign.
const (
	octave      = 32
	maxBuckets  = 512
	lowestIndex = -1074 * octave // of the smallest subnormal
	topIndex    = 1024*octave - 1
)

// mantissas[i] is 2^(i/32), the lower bound of the i-th bucket of an octave, as the
// 52 bits of its mantissa. They are written down, not computed, because libraries
// differ in the last bit and bucket borders must not. The last one closes the octave.
var mantissas = [octave + 1]uint64{
	0x0000000000000, 0x059b0d3158574, 0x0b5586cf9890f, 0x11301d0125b51,
	0x172b83c7d517b, 0x1d4873168b9aa, 0x2387a6e756238, 0x29e9df51fdee1,
	0x306fe0a31b715, 0x371a7373aa9cb, 0x3dea64c123422, 0x44e086061892d,
	0x4bfdad5362a27, 0x5342b569d4f82, 0x5ab07dd485429, 0x6247eb03a5585,
	0x6a09e667f3bcd, 0x71f75e8ec5f74, 0x7a11473eb0187, 0x82589994cce13,
	0x8ace5422aa0db, 0x93737b0cdc5e5, 0x9c49182a3f090, 0xa5503b23e255d,
	0xae89f995ad3ad, 0xb7f76f2fb5e47, 0xc199bdd85529c, 0xcb720dcef9069,
	0xd5818dcfba487, 0xdfc97337b9b5f, 0xea4afa2a490da, 0xf50765b6e4540,
	1 << 52,
}

// cells[m] is the bucket at the beginning of the m-th of 64 equal parts of an octave;
// a part is narrower than a bucket, so that it has one border at most.
var cells = makeCells()

func makeCells() (cells [64]uint8) {
	for m := range cells {
		for mantissas[cells[m]+1] <= uint64(m)<<46 {
			cells[m]++
		}
	}
	return cells
}

// bucketIndex returns the bucket of a positive finite distance: the largest i with
// 2^(i/32) ≤ d, the power rounded to a float64.
func bucketIndex(d float64) int32 {
	b := math.Float64bits(d)
	exponent, mantissa := int32(b>>52)-1023, b&(1<<52-1)
	if b>>52 == 0 { // subnormal: normalise
		shift := bits.LeadingZeros64(mantissa) - 11
		exponent, mantissa = -1022-int32(shift), mantissa<<shift&(1<<52-1)
	}
	i := cells[mantissa>>46]
	if mantissas[i+1] <= mantissa {
		i++
	}
	return exponent*octave + int32(i)
}

// bucketBound returns 2^(i/32), the lower bound of bucket i.
func bucketBound(i int32) float64 {
	mantissa, exponent := mantissas[i&(octave-1)], int(i>>5)
	if -1023 < exponent && exponent < 1024 {
		return math.Float64frombits(mantissa | uint64(exponent+1023)<<52)
	}
	return math.Ldexp(math.Float64frombits(mantissa|1023<<52), exponent)
}

// buckets are dense counts of whole octaves, from the bucket first on.
type buckets struct {
	first  int32
	counts []uint64
}

// reach makes room for the buckets from first to last.
func (b *buckets) reach(first, last int32) {
	low, high := first&^(octave-1), last|(octave-1)+1
	if len(b.counts) == 0 {
		b.first = low
	}
	low, high = min(low, b.first), max(high, b.first+int32(len(b.counts)))
	if int(high-low) == len(b.counts) {
		return
	}
	counts := make([]uint64, high-low)
	copy(counts[b.first-low:], b.counts)
	b.first, b.counts = low, counts
}

// drop empties the buckets below floor and returns what they counted. Octaves that
// are left empty at the low end are given up.
func (b *buckets) drop(floor int32) (n uint64) {
	for i := range b.counts {
		if b.first+int32(i) >= floor {
			break
		}
		n += b.counts[i]
		b.counts[i] = 0
	}
	for len(b.counts) > 0 && b.first+octave <= floor {
		b.first, b.counts = b.first+octave, b.counts[octave:]
	}
	return n
}

// trimmed returns the first bucket that is not empty, and the counts from there to
// the last one.
func (b *buckets) trimmed() (first int32, counts []uint64) {
	first, counts = b.first, b.counts
	for len(counts) > 0 && counts[0] == 0 {
		first, counts = first+1, counts[1:]
	}
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	return first, counts
}

// appendBinary appends the trimmed counts: their number, how far the first is below
// top, and each; a 0 is followed by how many there are in a row.
func (b *buckets) appendBinary(dst []byte, top int32) []byte {
	first, counts := b.trimmed()
	dst = binary.AppendUvarint(dst, uint64(len(counts)))
	if len(counts) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(top-first))
	for i := 0; i < len(counts); {
		dst = binary.AppendUvarint(dst, counts[i])
		from := i
		for i++; counts[from] == 0 && counts[i] == 0; {
			i++
		}
		if counts[from] == 0 {
			dst = binary.AppendUvarint(dst, uint64(i-from))
		}
	}
	return dst
}

// read is the inverse of appendBinary, for an empty b; it returns the sum of the counts.
func (b *buckets) read(d *Decoder, top int32) (sum uint64) {
	n := d.Uvarint()
	if n == 0 || d.err != nil {
		return 0
	}
	below := d.Uvarint()
	if n > maxBuckets || below >= maxBuckets || below < n-1 || int(top)-int(below) < lowestIndex {
		d.Fail(errDamaged)
		return 0
	}
	first := top - int32(below)
	last := first + int32(n-1)
	b.reach(first, last)
	for i := first; i <= last && d.err == nil; i++ {
		c := d.Count()
		b.counts[i-b.first] = c
		sum += c
		if c == 0 {
			i += int32(min(d.Uvarint(), maxBuckets)) - 1
		}
	}
	if !b.has(first) || !b.has(last) {
		d.Fail(errDamaged) // not trimmed
	}
	return sum
}

// has reports whether bucket i has values.
func (b *buckets) has(i int32) bool {
	k := i - b.first
	return k >= 0 && int(k) < len(b.counts) && b.counts[k] > 0
}
