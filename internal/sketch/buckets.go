package sketch

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
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

// buckets are dense counts of whole octaves, from the bucket first on: small ones of a histogram of up to maxSmall values, as those of
// most panes are, and else wide ones.
type buckets struct {
	first int32
	small []uint16 // one of the two is empty
	wide  []uint64
}

// maxSmall is how many values a histogram has at most whose buckets are small: no bucket has more.
const maxSmall = math.MaxUint16

func (b *buckets) len() int { return len(b.small) + len(b.wide) }

// at returns the k-th count.
func (b *buckets) at(k int) uint64 {
	if b.wide != nil {
		return b.wide[k]
	}
	return uint64(b.small[k])
}

// widen makes the counts wide.
func (b *buckets) widen() {
	if b.wide != nil || b.small == nil {
		return
	}
	b.wide = make([]uint64, len(b.small))
	for k, c := range b.small {
		b.wide[k] = uint64(c)
	}
	b.small = nil
}

// reach makes room for the buckets from first to last. New ones are small unless they are wanted wide.
func (b *buckets) reach(first, last int32, wide bool) {
	low, high := first&^(octave-1), last|(octave-1)+1
	if b.len() == 0 {
		b.first = low
	}
	low, high = min(low, b.first), max(high, b.first+int32(b.len()))
	if int(high-low) == b.len() {
		return
	}
	if wide || b.wide != nil {
		counts := make([]uint64, high-low)
		copy(counts[b.first-low:], b.wide)
		b.wide = counts
	} else {
		counts := make([]uint16, high-low)
		copy(counts[b.first-low:], b.small)
		b.small = counts
	}
	b.first = low
}

// add adds the counts of o from its k-th on, n of them, for which there is room.
func (b *buckets) add(o *buckets, k, n int) {
	at := int(o.first-b.first) + k
	switch {
	case b.wide == nil: // so are those of o
		into := b.small[at : at+n]
		for i, c := range o.small[k : k+n] {
			into[i] += c
		}
	case o.wide == nil:
		into := b.wide[at : at+n]
		for i, c := range o.small[k : k+n] {
			into[i] += uint64(c)
		}
	default:
		into := b.wide[at : at+n]
		for i, c := range o.wide[k : k+n] {
			into[i] += c
		}
	}
}

// drop empties the buckets below floor and returns what they counted. Octaves that
// are left empty at the low end are given up.
func (b *buckets) drop(floor int32) (n uint64) {
	for k := range b.len() {
		if b.first+int32(k) >= floor {
			break
		}
		n += b.at(k)
		if b.wide != nil {
			b.wide[k] = 0
		} else {
			b.small[k] = 0
		}
	}
	for b.len() > 0 && b.first+octave <= floor {
		b.first += octave
		if b.wide != nil {
			b.wide = b.wide[octave:]
		} else {
			b.small = b.small[octave:]
		}
	}
	return n
}

// trimmed returns which counts there are from the first bucket that is not empty to the last one: from the k-th on, n of them.
func (b *buckets) trimmed() (k, n int) {
	n = b.len()
	for n > 0 && b.at(k) == 0 {
		k, n = k+1, n-1
	}
	for n > 0 && b.at(k+n-1) == 0 {
		n--
	}
	return k, n
}

// clone returns an independent copy.
func (b *buckets) clone() buckets {
	return buckets{b.first, slices.Clone(b.small), slices.Clone(b.wide)}
}

// bytes returns the heap memory in use.
func (b *buckets) bytes() int { return 2*cap(b.small) + 8*cap(b.wide) }

// appendBinary appends the trimmed counts: their number, how far the first is below
// top, and each; a 0 is followed by how many there are in a row.
func (b *buckets) appendBinary(dst []byte, top int32) []byte {
	k, n := b.trimmed()
	dst = binary.AppendUvarint(dst, uint64(n))
	if n == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(top-b.first-int32(k)))
	for end := k + n; k < end; {
		c, from := b.at(k), k
		dst = binary.AppendUvarint(dst, c)
		for k++; c == 0 && b.at(k) == 0; {
			k++
		}
		if c == 0 {
			dst = binary.AppendUvarint(dst, uint64(k-from))
		}
	}
	return dst
}

// read is the inverse of appendBinary, for an empty b; it returns the sum of the counts, which are wide.
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
	b.reach(first, last, true)
	for i := first; i <= last && d.err == nil; i++ {
		c := d.Count()
		b.wide[i-b.first] = c
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

// narrow makes the counts small, which are of up to maxSmall values.
func (b *buckets) narrow() {
	if b.wide == nil {
		return
	}
	b.small = make([]uint16, len(b.wide))
	for k, c := range b.wide {
		b.small[k] = uint16(c)
	}
	b.wide = nil
}

// has reports whether bucket i has values.
func (b *buckets) has(i int32) bool {
	k := int(i - b.first)
	return k >= 0 && k < b.len() && b.at(k) > 0
}
