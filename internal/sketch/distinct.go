package sketch

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/axiomhq/hyperloglog"
	"github.com/cespare/xxhash/v2"
)

// The two forms of Distinct: up to so many hashes exactly, then registers.
const (
	exactDistinct = 64
	precision     = 12

	denseForm     = exactDistinct + 1
	registerBytes = 8 + 1<<precision // with the library's header
)

// HashText returns the unseeded xxhash of a text.
func HashText(b []byte) uint64 { return xxhash.Sum64(b) }

// HashNumber returns the unseeded xxhash of a number's eight bytes; −0 is 0.
func HashNumber(x float64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(x+0))
	return xxhash.Sum64(b[:])
}

// Distinct counts distinct hashes: exactly up to 64, then by a dense HyperLogLog of
// 4,096 registers (Flajolet et al. 2007; the library estimates by LogLog-Beta, Qin et
// al. 2016) with a standard error of 1.04/√4096 = 1.6 %.
// Merging is exactly associative and commutative. The zero value is empty.
type Distinct struct {
	exact []uint64 // ascending
	dense *hyperloglog.Sketch
}

// Add adds a hash.
func (d *Distinct) Add(hash uint64) {
	if d.dense != nil {
		d.dense.InsertHash(hash)
		return
	}
	i, ok := slices.BinarySearch(d.exact, hash)
	if ok {
		return
	}
	if len(d.exact) == exactDistinct {
		d.grow()
		d.dense.InsertHash(hash)
		return
	}
	d.exact = slices.Insert(d.exact, i, hash)
}

func (d *Distinct) grow() {
	d.dense = newRegisters()
	for _, h := range d.exact {
		d.dense.InsertHash(h)
	}
	d.exact = nil
}

func newRegisters() *hyperloglog.Sketch {
	s, err := hyperloglog.NewSketch(precision, false)
	if err != nil {
		panic(err) // the precision is a constant
	}
	return s
}

// Merge adds o.
func (d *Distinct) Merge(o *Distinct) {
	if o.dense == nil {
		for _, h := range o.exact {
			d.Add(h)
		}
		return
	}
	if d.dense == nil {
		d.grow()
	}
	if err := d.dense.Merge(o.dense); err != nil {
		panic(err) // both have one precision
	}
}

// Estimate returns the number of distinct hashes.
func (d *Distinct) Estimate() uint64 {
	if d.dense == nil {
		return uint64(len(d.exact))
	}
	var memory [registerBytes]byte
	b, err := d.dense.AppendBinary(memory[:0])
	if err != nil {
		panic(err) // it has a precision
	}
	if sum, zeros, ok := sumOfPowers(b[len(b)-1<<precision:]); ok {
		return logLogBeta(sum, zeros)
	}
	return d.dense.Estimate()
}

// sumOfPowers returns the sum of 2^-r over the registers r and how many are 0, as the library does, which raises each to its
// power. It fails if the order of adding might matter to rounding: with a register above 40, which one value in 2^40 has.
func sumOfPowers(registers []byte) (sum, zeros float64, ok bool) {
	var count [256]uint32
	for _, r := range registers {
		count[r]++
	}
	for r, n := range count {
		if n > 0 && r > 40 {
			return 0, 0, false
		}
		sum += float64(n) / float64(uint64(1)<<min(r, 40))
	}
	return sum, float64(count[0]), true
}

// logLogBeta is the library's estimate, with the polynomial for its precision.
func logLogBeta(sum, zeros float64) uint64 {
	m := float64(int(1) << precision)
	l := math.Log(zeros + 1)
	beta := -0.384979202588598*zeros +
		0.183162233114364*l +
		0.130396688841854*math.Pow(l, 2) +
		0.0704838927629266*math.Pow(l, 3) +
		-0.0089589397146453*math.Pow(l, 4) +
		0.0113010036741605*math.Pow(l, 5) +
		-0.00194285569591290*math.Pow(l, 6) +
		0.000225435774024964*math.Pow(l, 7)
	alpha := 0.7213 / (1 + 1.079/m)
	return uint64(alpha*m*(m-zeros)/(sum+beta) + 0.5)
}

// Exact reports whether the estimate is the number itself.
func (d *Distinct) Exact() bool { return d.dense == nil }

// Clone returns an independent copy.
func (d *Distinct) Clone() Distinct {
	c := Distinct{exact: slices.Clone(d.exact)}
	if d.dense != nil {
		c.dense = d.dense.Clone()
	}
	return c
}

// Reset empties d.
func (d *Distinct) Reset() { *d = Distinct{} }

// Bytes returns the heap memory in use, in bytes.
func (d *Distinct) Bytes() int {
	if d.dense != nil {
		return registerBytes
	}
	return 8 * cap(d.exact)
}

// AppendBinary appends the binary form: the number of hashes and they themselves,
// ascending, or one more than the highest number and the library's dense form.
func (d *Distinct) AppendBinary(b []byte) []byte {
	b = append(b, distinctVersion)
	if d.dense == nil {
		b = append(b, byte(len(d.exact)))
		for _, h := range d.exact {
			b = binary.LittleEndian.AppendUint64(b, h)
		}
		return b
	}
	b, err := d.dense.AppendBinary(append(b, denseForm))
	if err != nil {
		panic(err) // it has a precision
	}
	return b
}

// ReadBinary replaces d by the binary form at the beginning of b.
func (d *Distinct) ReadBinary(b []byte) ([]byte, error) {
	in := Decoder{b: b}
	in.Begin(distinctVersion)
	var r Distinct
	if n := in.Byte(); n == denseForm {
		r.dense = readRegisters(&in)
	} else {
		r.exact = readHashes(&in, int(n))
	}
	if in.err == nil {
		*d = r
	}
	return in.End("distinct")
}

func readHashes(d *Decoder, n int) []uint64 {
	if n > exactDistinct || n > len(d.b)/8 {
		d.Fail(errShort)
		return nil
	}
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = d.Uint64()
		if i > 0 && hashes[i-1] >= hashes[i] {
			d.Fail(errDamaged)
		}
	}
	return hashes
}

func readRegisters(d *Decoder) *hyperloglog.Sketch {
	b := d.Bytes(registerBytes)
	if d.err != nil {
		return nil
	}
	// The library reads other precisions and a sparse form too.
	s := new(hyperloglog.Sketch)
	if b[1] != precision || b[3] != 0 {
		d.Fail(errDamaged)
	} else if err := s.UnmarshalBinary(b); err != nil {
		d.Fail(err)
	}
	return s
}
