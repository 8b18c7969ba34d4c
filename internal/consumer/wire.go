package consumer

import "encoding/binary"

// wireReader reads the big-endian fields of Kafka's protocol. A read beyond the end
// or of a bad length sets bad and returns zero values from then on.
type wireReader struct {
	b   []byte
	bad bool
}

func (r *wireReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *wireReader) int8() int8 {
	if p := r.take(1); p != nil {
		return int8(p[0])
	}
	return 0
}

func (r *wireReader) int16() int16 {
	if p := r.take(2); p != nil {
		return int16(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (r *wireReader) int32() int32 {
	if p := r.take(4); p != nil {
		return int32(binary.BigEndian.Uint32(p))
	}
	return 0
}

func (r *wireReader) int64() int64 {
	if p := r.take(8); p != nil {
		return int64(binary.BigEndian.Uint64(p))
	}
	return 0
}

// varint reads a zigzag varint.
func (r *wireReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varBytes reads bytes after their varint length; a negative one means nil.
func (r *wireReader) varBytes() []byte {
	n := r.varint()
	if n < 0 || r.bad {
		return nil
	}
	if n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

// arrayLen reads the length of an array; a null array has none. Each element takes
// at least one byte, so a length beyond the rest is bad.
func (r *wireReader) arrayLen() int {
	n := r.int32()
	if int(n) > len(r.b) {
		r.bad = true
	}
	if r.bad || n < 0 {
		return 0
	}
	return int(n)
}

// uvarint reads an unsigned varint.
func (r *wireReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// compactLen reads the length of a compact array or string, as arrayLen does.
func (r *wireReader) compactLen() int {
	n := r.uvarint() // one more than the length; 0 if it is null
	if r.bad || n == 0 {
		return 0
	}
	if n-1 > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n - 1)
}

func (r *wireReader) compactBytes() []byte { return r.take(r.compactLen()) }

// tags skips tagged fields.
func (r *wireReader) tags() {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		r.uvarint() // tag
		size := r.uvarint()
		if size > uint64(len(r.b)) {
			r.bad = true
			return
		}
		r.take(int(size))
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendInt32(b []byte, v ...int32) []byte {
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func appendInt64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v))
}
