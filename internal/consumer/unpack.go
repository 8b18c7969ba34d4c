package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// unpacker undoes the compression of record batches, each up to a size limit. It
// may be used concurrently.
type unpacker struct {
	limit int
	zstd  *zstd.Decoder
}

// eagerBytes of unpacked data are stored as they come, in a buffer that grows. What is
// more is measured first and unpacked again into one of its size, so that a batch that
// unpacks to too much costs its limit in time, but not in memory.
const eagerBytes = 1 << 20

func newUnpacker(limit int) (*unpacker, error) {
	d, err := newZstd(limit)
	if err != nil {
		return nil, err
	}
	return &unpacker{limit: limit, zstd: d}, nil
}

// unpack returns the records of a batch, in src itself or in the arena. Before it takes more than eagerBytes it asks
// for the room, which may fail; room may be nil.
func (u *unpacker) unpack(a *arena, codec int8, src []byte, room func(int) error) (out []byte, err error) {
	if room == nil {
		room = func(int) error { return nil }
	}
	// A decoder that panics on foreign bytes must not take the process down.
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("unpack: %v", p)
		}
	}()
	if len(src) == 0 {
		return src, nil // an emptied batch
	}
	if len(src) > u.limit {
		return nil, errTooLarge
	}
	switch c := compress.Compression(codec); c {
	case compress.None:
		return src, nil
	case compress.Zstd:
		out, err = u.unzstd(a.free, src, room)
	case compress.Snappy:
		out, err = u.snappy(a.free, src, room)
	case compress.Gzip, compress.Lz4:
		out, err = u.stream(a.free, c.Codec(), src, room)
	default:
		return nil, errFormat
	}
	if err == nil && len(out) > u.limit {
		err = errTooLarge
	}
	if err != nil {
		return nil, err
	}
	return a.keep(out), nil
}

func (u *unpacker) stream(dst []byte, codec compress.Codec, src []byte, room func(int) error) ([]byte, error) {
	dst, size, err := u.measure(dst, codec, src)
	if err != nil || size == len(dst) {
		return dst, err
	}
	if err := room(size); err != nil {
		return nil, err
	}
	r := codec.NewReader(bytes.NewReader(src))
	defer r.Close()
	dst = make([]byte, size)
	_, err = io.ReadFull(r, dst)
	return dst, err
}

// measure unpacks what fits into dst or eagerBytes, and returns the size of the whole.
func (u *unpacker) measure(dst []byte, codec compress.Codec, src []byte) ([]byte, int, error) {
	r := codec.NewReader(bytes.NewReader(src))
	defer r.Close()
	dst, err := fill(dst, r, min(len(src), eagerBytes), min(max(cap(dst), eagerBytes), u.limit+1))
	if errors.Is(err, io.EOF) {
		return dst, len(dst), nil
	}
	if err != nil {
		return dst, 0, err
	}
	rest, err := io.CopyN(io.Discard, r, int64(u.limit+1-len(dst)))
	switch {
	case err == nil:
		return dst, 0, errTooLarge
	case errors.Is(err, io.EOF):
		return dst, len(dst) + int(rest), nil
	}
	return dst, 0, err
}

// fill reads up to most bytes into the empty dst, which grows from the first size on.
func fill(dst []byte, r io.Reader, first, most int) ([]byte, error) {
	for len(dst) < most {
		if len(dst) == cap(dst) {
			dst = append(make([]byte, 0, min(max(2*len(dst), first, 4096), most)), dst...)
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), most)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Java's snappy output begins with this magic and two version numbers, then come
// blocks that are each preceded by their size; other clients write one bare block.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = 16
)

// snappyRatio is above what a block of snappy unpacks to for each of its bytes.
const snappyRatio = 22

var errSnappy = errors.New("snappy: malformed block")

// snappy appends the unpacked src to dst, which grows once, to what the blocks claim.
func (u *unpacker) snappy(dst, src []byte, room func(int) error) ([]byte, error) {
	framed := len(src) >= xerialHeader && string(src[:len(xerialMagic)]) == xerialMagic
	if framed {
		src = src[xerialHeader:]
	}
	size, err := u.snappySize(src, framed)
	if err != nil {
		return dst, err
	}
	if cap(dst)-len(dst) < size {
		if size > eagerBytes {
			if err := room(size); err != nil {
				return dst, err
			}
		}
		dst = append(make([]byte, 0, len(dst)+size), dst...)
	}
	for len(src) > 0 {
		var block []byte
		if block, src, err = nextSnappy(src, framed); err != nil {
			return dst, err
		}
		out, err := snappy.Decode(dst[len(dst):cap(dst)], block)
		if err != nil {
			return dst, err
		}
		dst = dst[:len(dst)+len(out)]
	}
	return dst, nil
}

// snappySize adds up what the blocks claim to unpack to, before any of it is believed.
func (u *unpacker) snappySize(src []byte, framed bool) (int, error) {
	total := 0
	for len(src) > 0 {
		block, rest, err := nextSnappy(src, framed)
		if err != nil {
			return 0, err
		}
		n, err := snappy.DecodedLen(block)
		if err != nil {
			return 0, err
		}
		if total += n; total > u.limit {
			return 0, errTooLarge
		}
		if n > snappyRatio*len(block) {
			return 0, errSnappy
		}
		src = rest
	}
	return total, nil
}

// nextSnappy cuts the first block off; without a frame it is all there is.
func nextSnappy(src []byte, framed bool) (block, rest []byte, err error) {
	if !framed {
		return src, nil, nil
	}
	if len(src) < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := int64(binary.BigEndian.Uint32(src))
	if n > int64(len(src)-4) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return src[4 : 4+n], src[4+n:], nil
}

// arena holds the unpacked bytes of the batches that are handed on together.
type arena struct {
	block []byte // the largest so far, empty
	free  []byte // what is left of it, empty
	used  int
}

// keep notes that out was appended to free, in place or in a new block.
func (a *arena) keep(out []byte) []byte {
	if cap(out) != cap(a.free) && cap(out) > cap(a.block) {
		a.block = out[:0]
	}
	a.free = out[len(out):]
	a.used += len(out)
	return out
}

// reset frees all of it. The block grows to what was needed, so that the next batches
// find room in it, and is given back to the collector beyond the limit.
func (a *arena) reset(limit int) {
	switch {
	case cap(a.block) > limit:
		a.block = nil
	case a.used > cap(a.block) && a.used <= limit:
		a.block = make([]byte, 0, min(a.used+a.used/4, limit))
	}
	a.free, a.used = a.block, 0
}
