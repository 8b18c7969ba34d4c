package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errRuns = errors.New("damaged Parquet file: values that end too early")

// cutLevels cuts levels of a length off a page; below 0 the length is in front of them.
func cutLevels(body []byte, length int) (levels, rest []byte, err error) {
	if length < 0 {
		if len(body) < 4 {
			return nil, nil, errRuns
		}
		n := binary.LittleEndian.Uint32(body)
		body = body[4:]
		if uint64(n) > uint64(len(body)) {
			return nil, nil, errRuns
		}
		length = int(n)
	}
	if length > len(body) {
		return nil, nil, errRuns
	}
	return body[:length], body[length:], nil
}

// checkRuns walks values of a width in bits in the form of runs and packed groups of eight. They may be no more than those of
// the page, filled up: the library makes room for all. each, if set, is called with
// the values, and how often each follows.
func checkRuns(b []byte, width, values int, each func(value, n int) error) error {
	const fill = 1024
	if width > 32 {
		return fmt.Errorf("damaged Parquet file: values of %d bits", width)
	}
	most, total := uint64(values)+fill, uint64(0)
	for len(b) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return errRuns
		}
		b = b[n:]
		count, size := head>>1, (width+7)/8
		packed := head&1 == 1
		if packed {
			count *= 8
			if head>>1 > most || uint64(len(b))*8 < count*uint64(width) {
				return errRuns
			}
			size = int(count) * width / 8
		}
		if total += count; count > most || total > most {
			return fmt.Errorf("damaged Parquet file: runs of %d values in a page of %d", total, values)
		}
		if size > len(b) {
			return errRuns
		}
		if each != nil {
			if err := walkRun(b[:size], width, int(count), packed, each); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// walkRun calls each with the values of a run.
func walkRun(b []byte, width, count int, packed bool, each func(value, n int) error) error {
	if !packed {
		value := 0
		for i, c := range b {
			value |= int(c) << (8 * i)
		}
		return each(value, count)
	}
	for i := range count {
		value := 0
		for bit := range width {
			at := i*width + bit
			value |= int(b[at/8]>>(at%8)&1) << bit
		}
		if err := each(value, 1); err != nil {
			return err
		}
	}
	return nil
}

// delta is the head of values that are stored as packed differences.
type delta struct {
	block, minis, count int
	first               int64
	rest                []byte
}

// deltaHead reads the head, whose count may be no more than the page's values.
func deltaHead(b []byte, values int) (d delta, err error) {
	var numbers [3]int
	for i := range numbers {
		u, n := binary.Uvarint(b)
		if n <= 0 || u > math.MaxInt32 {
			return delta{}, errRuns
		}
		numbers[i], b = int(u), b[n:]
	}
	first, n := binary.Varint(b)
	d = delta{numbers[0], numbers[1], numbers[2], first, b[max(n, 0):]}
	const widest = 1 << 16
	switch {
	case n <= 0:
		return d, errRuns
	case d.count > values:
		return d, fmt.Errorf("damaged Parquet file: differences of %d values in a page of %d", d.count, values)
	case d.minis <= 0 || d.block <= 0 || d.block > widest || d.block%d.minis != 0 || d.block/d.minis%8 != 0:
		return d, errors.New("damaged Parquet file: differences in blocks of a wrong size")
	}
	return d, nil
}

// deltaCount returns how many values are stored as differences.
func deltaCount(b []byte, values int) (int, error) {
	d, err := deltaHead(b, values)
	return d.count, err
}

// deltaPrefixes returns how many bytes texts take of which each begins with a part of the one before: few
// bytes can stand for a square of them.
func deltaPrefixes(b []byte, values int) (total int64, err error) {
	d, err := deltaHead(b, values)
	if err != nil {
		return 0, err
	}
	value, left := d.first, d.count
	add := func(x int64) error {
		if x < 0 || x > math.MaxInt32 {
			return fmt.Errorf("damaged Parquet file: a prefix of %d bytes", x)
		}
		total += x
		return nil
	}
	if left > 0 {
		if err := add(value); err != nil {
			return 0, err
		}
		left--
	}
	b = d.rest
	mini := d.block / d.minis
	for left > 0 {
		least, n := binary.Varint(b)
		if n <= 0 || len(b) < n+d.minis {
			return 0, errRuns
		}
		widths := b[n : n+d.minis]
		b = b[n+d.minis:]
		for _, width := range widths {
			if left == 0 {
				break
			}
			size := mini * int(width) / 8
			if width > 64 {
				return 0, errRuns
			}
			for i := range min(mini, left) {
				value += least + int64(packedBits(b, i*int(width), int(width)))
				if err := add(value); err != nil {
					return 0, err
				}
			}
			left -= min(mini, left)
			b = b[min(size, len(b)):]
		}
	}
	if _, err := deltaHead(b, values); err != nil { // of the suffixes' lengths
		return 0, err
	}
	return total, nil
}

// packedBits returns the number of a width at a bit; bits behind the end are 0.
func packedBits(b []byte, at, width int) (u uint64) {
	for i := 0; i < width; {
		if at/8 >= len(b) {
			break
		}
		take := min(8-at%8, width-i)
		u |= uint64(b[at/8]>>(at%8)&(1<<take-1)) << i
		i, at = i+take, at+take
	}
	return u
}
