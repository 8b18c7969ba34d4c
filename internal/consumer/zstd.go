package consumer

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	// largestWindow is that of the highest level of zstd.
	largestWindow = 128 << 20
	// largestBlock is the most that a block of a zstd frame unpacks to.
	largestBlock = 128 << 10
)

var errZstd = errors.New("zstd: malformed frame")

// newZstd returns a decoder for whole frames. It takes no memory for a frame's window
// then; but it refuses frames whose window is above its memory, and producers ask for a
// window by their level, up to largestWindow, whatever they write into it.
func newZstd() (*zstd.Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(largestWindow), zstd.WithDecoderMaxWindow(largestWindow))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return d, nil
}

// unzstd appends the unpacked src to dst. The decoder's own limit is the window's, and it
// doubles its output as it goes; so what src can unpack to at most is reckoned before.
func (u *unpacker) unzstd(dst, src []byte) ([]byte, error) {
	most, err := zstdBound(src, u.limit+largestBlock) // the last block is not full
	if err != nil {
		return dst, err
	}
	if most > eagerBytes && most > cap(dst)-len(dst) {
		dst = append(make([]byte, 0, len(dst)+most), dst...)
	}
	return u.zstd.DecodeAll(src, dst)
}

// zstdBound returns how many bytes src unpacks to at most, by the sizes of its blocks;
// errTooLarge if it is more than limit.
func zstdBound(src []byte, limit int) (int, error) {
	total := 0
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, fmt.Errorf("zstd: %w", err)
		}
		src = src[h.HeaderSize:]
		if h.Skippable {
			if int64(h.SkippableSize) > int64(len(src)) {
				return 0, errZstd
			}
			src = src[h.SkippableSize:]
			continue
		}
		if h.WindowSize > largestWindow || h.HasFCS && h.FrameContentSize > uint64(limit) {
			return 0, errTooLarge
		}
		size, rest, err := zstdBlocks(src, limit-total)
		if err != nil {
			return 0, err
		}
		if h.HasFCS {
			if h.FrameContentSize > uint64(size) {
				return 0, errZstd // the decoder would believe it, and take the memory
			}
			size = int(h.FrameContentSize)
		}
		total += size
		if src = rest; h.HasCheckSum {
			src = src[min(4, len(src)):]
		}
	}
	return total, nil
}

// zstdBlocks returns the most that the blocks of a frame unpack to, and what follows them.
func zstdBlocks(src []byte, limit int) (total int, rest []byte, err error) {
	for last := false; !last; {
		if len(src) < 3 {
			return 0, nil, errZstd
		}
		head := int(src[0]) | int(src[1])<<8 | int(src[2])<<16
		last = head&1 != 0
		size, stored := head>>3, head>>3
		switch head >> 1 & 3 {
		case 1: // one byte, again and again
			stored = 1
		case 2: // compressed
			size = largestBlock
		}
		if total += size; total > limit {
			return 0, nil, errTooLarge
		}
		if src = src[3:]; stored > len(src) {
			return 0, nil, errZstd
		}
		src = src[stored:]
	}
	return total, src, nil
}
