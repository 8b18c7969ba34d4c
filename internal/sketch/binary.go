package sketch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Versions of the binary forms: the first byte of each.
const (
	momentsVersion   = 1
	histogramVersion = 1
	expVersion       = 1
	quantilesVersion = 1
	distinctVersion  = 1
	topKVersion      = 1
)

// maxCount is far more than can be counted: up to it floats hold every integer.
const maxCount = 1 << 53

var (
	errShort   = errors.New("cut short")
	errNumber  = errors.New("a number that is not finite")
	errDamaged = errors.New("damaged")
)

// decoder reads a binary form; the first failure sticks.
type decoder struct {
	b   []byte
	err error
}

// begin checks the version byte.
func (d *decoder) begin(version byte) {
	if v := d.byte(); d.err == nil && v != version {
		d.err = fmt.Errorf("version %d, want %d", v, version)
	}
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) byte() byte {
	if d.err != nil || len(d.b) == 0 {
		d.fail(errShort)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// length reads a count of items of at least size bytes each, so that a
// damaged count cannot make the reader allocate.
func (d *decoder) length(size int) int {
	n := d.uvarint()
	if d.err == nil && n > uint64(len(d.b)/size) {
		d.fail(errShort)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// count reads a number of values; sums of a million of them do not overflow.
func (d *decoder) count() uint64 {
	n := d.uvarint()
	if n > maxCount {
		d.fail(errDamaged)
		return 0
	}
	return n
}

func (d *decoder) uint64() uint64 {
	if d.err != nil || len(d.b) < 8 {
		d.fail(errShort)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) float() float64 {
	f := math.Float64frombits(d.uint64())
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.fail(errNumber)
	}
	return f
}

func (d *decoder) bytes(n int) []byte {
	if d.err != nil || len(d.b) < n {
		d.fail(errShort)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// end wraps the failure, if any, with the sketch's name.
func (d *decoder) end(name string) ([]byte, error) {
	if d.err != nil {
		return nil, fmt.Errorf("read %s: %w", name, d.err)
	}
	return d.b, nil
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}
