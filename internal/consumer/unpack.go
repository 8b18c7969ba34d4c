package consumer

import (
	"bytes"
	"encoding/binary"
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

// largestWindow is that of the highest level of zstd.
const largestWindow = 128 << 20

func newUnpacker(limit int) (*unpacker, error) {
	// The decoder refuses frames whose window is above its memory, and producers ask
	// for a window by their level, up to 128 MiB, whatever they write into it.
	memory := max(uint64(limit), largestWindow)
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(memory))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &unpacker{limit: limit, zstd: d}, nil
}

// unpack returns the records of a batch, in src itself or in the arena.
func (u *unpacker) unpack(a *arena, codec int8, src []byte) (out []byte, err error) {
	// A decoder that panics on foreign bytes must not take the process down.
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("unpack: %v", p)
		}
	}()
	if len(src) == 0 {
		return src, nil // an emptied batch
	}
	switch c := compress.Compression(codec); c {
	case compress.None:
		return src, nil
	case compress.Zstd:
		out, err = u.zstd.DecodeAll(src, a.free)
	case compress.Snappy:
		out, err = u.snappy(a.free, src)
	case compress.Gzip, compress.Lz4:
		out, err = u.stream(a.free, c.Codec(), src)
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

func (u *unpacker) stream(dst []byte, codec compress.Codec, src []byte) ([]byte, error) {
	r := codec.NewReader(bytes.NewReader(src))
	defer r.Close()
	for len(dst) <= u.limit {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(len(dst), len(src), 4096))...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, errTooLarge
}

// Java's snappy output begins with this magic and two version numbers, then come
// blocks that are each preceded by their size; other clients write one bare block.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = 16
)

func (u *unpacker) snappy(dst, src []byte) ([]byte, error) {
	if len(src) < xerialHeader || string(src[:len(xerialMagic)]) != xerialMagic {
		return u.snappyBlock(dst, src)
	}
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return dst, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(src))
		if n > int64(len(src)-4) {
			return dst, io.ErrUnexpectedEOF
		}
		var err error
		if dst, err = u.snappyBlock(dst, src[4:4+n]); err != nil {
			return dst, err
		}
		src = src[4+n:]
	}
	return dst, nil
}

// snappyBlock appends one unpacked block to dst.
func (u *unpacker) snappyBlock(dst, block []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return dst, err
	}
	if n > u.limit-len(dst) {
		return dst, errTooLarge
	}
	if cap(dst)-len(dst) < n {
		dst = append(make([]byte, 0, max(2*cap(dst), len(dst)+n)), dst...)
	}
	if _, err := snappy.Decode(dst[len(dst):len(dst)+n], block); err != nil {
		return dst, err
	}
	return dst[:len(dst)+n], nil
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
