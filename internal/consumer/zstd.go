package consumer

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// largestBlock is the most that a block of a zstd frame unpacks to.
const largestBlock = 128 << 10

var errZstd = errors.New("zstd: malformed frame")

// zstdRoof is the memory that a decoder of zstd must be allowed for what is within the limit: a power of two, as
// windows are.
func zstdRoof(limit int) int { return 1 << bits.Len(uint(max(limit, largestBlock)-1)) }

// newZstd returns a decoder for whole frames. It takes no memory for a frame's window then, gives up
// the block after a frame is above its memory, and refuses frames whose window is: zstdSizes makes that smaller.
func newZstd(limit int) (*zstd.Decoder, error) {
	roof := uint64(zstdRoof(limit))
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(roof), zstd.WithDecoderMaxWindow(roof))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return d, nil
}

// unzstd appends the unpacked src to dst. The decoder doubles its output as it goes; so it gets room for
// what src can unpack to, or for the limit and the block that is beyond it.
func (u *unpacker) unzstd(dst, src []byte, room func(int) error) ([]byte, error) {
	most, err := zstdBound(src, u.limit)
	if err != nil {
		return dst, err
	}
	if most > eagerBytes && most > cap(dst)-len(dst) {
		if err := room(most); err != nil {
			return dst, err
		}
		dst = append(make([]byte, 0, len(dst)+most), dst...)
	}
	dst, err = u.zstd.DecodeAll(src, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = errTooLarge
	}
	return dst, err
}

// zstdBound returns how much room src needs to be unpacked, and errTooLarge if that is certain to be above
// the limit. The sizes of blocks are known but for those of compressed ones, which producers make as small as they
// like: they are believed to fit as long as there is one frame, of which the decoder ends in time. Windows above
// the limit, which nothing within it needs, are made smaller in src.
func zstdBound(src []byte, limit int) (int, error) {
	least, most, frames := 0, 0, 0
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, fmt.Errorf("zstd: %w", err)
		}
		if h.Skippable {
			if int64(h.SkippableSize) > int64(len(src)-h.HeaderSize) {
				return 0, errZstd
			}
			src = src[h.HeaderSize+int(h.SkippableSize):]
			continue
		}
		if h.HasFCS && h.FrameContentSize > uint64(limit) {
			return 0, errTooLarge
		}
		if roof := zstdRoof(limit); !h.SingleSegment && h.WindowSize > uint64(roof) {
			src[zstdWindow] = byte(bits.Len(uint(roof))-11) << 3
		}
		largest := largestBlock
		if !h.SingleSegment {
			largest = int(min(h.WindowSize, largestBlock))
		}
		size, rest, err := zstdBlocks(src[h.HeaderSize:], largest)
		if err != nil {
			return 0, err
		}
		if h.HasFCS {
			if h.FrameContentSize > uint64(size.most) {
				return 0, errZstd // the decoder would believe it, and take the memory
			}
			size = zstdSize{int(h.FrameContentSize), int(h.FrameContentSize)}
		}
		frames++
		least, most = least+size.least, most+size.most
		if most > limit && frames > 1 || least > limit {
			return 0, errTooLarge
		}
		if src = rest; h.HasCheckSum {
			src = src[min(4, len(src)):]
		}
	}
	if most > limit {
		most = zstdRoof(limit) + largestBlock
	}
	return most, nil
}

// zstdWindow is where the window of a frame is, if it is not its content's size.
const zstdWindow = 5

// zstdSize is between which sizes something unpacks to.
type zstdSize struct{ least, most int }

// zstdBlocks returns what the blocks of a frame unpack to, each to so much at most, and what follows them.
func zstdBlocks(src []byte, largest int) (total zstdSize, rest []byte, err error) {
	for last := false; !last; {
		if len(src) < 3 {
			return total, nil, errZstd
		}
		head := int(src[0]) | int(src[1])<<8 | int(src[2])<<16
		last = head&1 != 0
		size, stored := zstdSize{head >> 3, head >> 3}, head>>3
		switch head >> 1 & 3 {
		case 1: // one byte, again and again
			stored = 1
		case 2: // compressed
			size = zstdSize{0, largest}
		}
		if src = src[3:]; stored > len(src) {
			return total, nil, errZstd
		}
		total.least, total.most = total.least+size.least, total.most+size.most
		src = src[stored:]
	}
	return total, src, nil
}
