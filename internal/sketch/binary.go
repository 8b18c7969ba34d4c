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

// Decoder reads binary forms from bytes that may be damaged; the first failure sticks,
// and what is read after it is zero.
type Decoder struct {
	b   []byte
	err error
}

// NewDecoder returns a decoder of b.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// Err returns the first failure.
func (d *Decoder) Err() error { return d.err }

// Begin checks the version byte.
func (d *Decoder) Begin(version byte) {
	if v := d.Byte(); d.err == nil && v != version {
		d.err = fmt.Errorf("version %d, want %d", v, version)
	}
}

// BeginUpTo reads the version byte of a form of which older versions are read, too.
func (d *Decoder) BeginUpTo(version byte) byte {
	v := d.Byte()
	if d.err == nil && (v == 0 || v > version) {
		d.err = fmt.Errorf("version %d, want at most %d", v, version)
	}
	return v
}

// Fail makes err the failure, unless there is one already.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if d.err != nil || len(d.b) == 0 {
		d.Fail(errShort)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// Uvarint reads a number.
func (d *Decoder) Uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.Fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Varint reads a number with a sign.
func (d *Decoder) Varint() int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.Fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Length reads a count of items of at least size bytes each, so that a
// damaged count cannot make the reader allocate.
func (d *Decoder) Length(size int) int {
	n := d.Uvarint()
	if d.err == nil && n > uint64(len(d.b)/size) {
		d.Fail(errShort)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// Count reads a number of values; sums of a million of them do not overflow.
func (d *Decoder) Count() uint64 {
	n := d.Uvarint()
	if n > maxCount {
		d.Fail(errDamaged)
		return 0
	}
	return n
}

// Uint64 reads eight bytes, little end first.
func (d *Decoder) Uint64() uint64 {
	if d.err != nil || len(d.b) < 8 {
		d.Fail(errShort)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// Float reads a finite number.
func (d *Decoder) Float() float64 {
	f := math.Float64frombits(d.Uint64())
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.Fail(errNumber)
	}
	return f
}

// Bytes reads n bytes, which alias the input.
func (d *Decoder) Bytes(n int) []byte {
	if d.err != nil || len(d.b) < n {
		d.Fail(errShort)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// Text reads what AppendText wrote.
func (d *Decoder) Text() string { return string(d.Bytes(d.Length(1))) }

// Block reads what EndBlock closed: bytes with their length before them.
func (d *Decoder) Block() []byte {
	if d.err != nil || len(d.b) < blockHeader {
		d.Fail(errShort)
		return nil
	}
	n := binary.LittleEndian.Uint32(d.b)
	d.b = d.b[blockHeader:]
	if uint64(n) > uint64(len(d.b)) {
		d.Fail(errShort)
		return nil
	}
	return d.Bytes(int(n))
}

// Read reads a sketch.
func (d *Decoder) Read(s interface{ ReadBinary([]byte) ([]byte, error) }) {
	if d.err != nil {
		return
	}
	rest, err := s.ReadBinary(d.b)
	if err != nil {
		d.err = err
		return
	}
	d.b = rest
}

// End returns the bytes behind what was read, or the failure with the name of what is read.
func (d *Decoder) End(name string) ([]byte, error) {
	if d.err != nil {
		return nil, fmt.Errorf("read %s: %w", name, d.err)
	}
	return d.b, nil
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// AppendText appends a text with its length.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// blockHeader is the size of a block's length.
const blockHeader = 4

// BeginBlock appends room for the length of what follows up to EndBlock, so that a reader
// can skip it.
func BeginBlock(b []byte) []byte { return append(b, make([]byte, blockHeader)...) }

// EndBlock fills in the length of the block for which BeginBlock was given the first
// start bytes of b.
func EndBlock(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-blockHeader))
	return b
}
