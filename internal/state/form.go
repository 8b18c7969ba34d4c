package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"go.etcd.io/bbolt"
)

// checksum is the size of a CRC.
const checksum = 4

// checked returns a value, which appends itself, behind its CRC.
func checked(value func(b []byte) []byte) []byte {
	b := value(make([]byte, checksum))
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[checksum:], castagnoli))
	return b
}

// unchecked returns the value behind its CRC.
func unchecked(b []byte) ([]byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return nil, errors.New("the checksum is wrong")
	}
	return b[4:], nil
}

// hash is of an entry's key and checksum.
func hash(key, value []byte) uint64 {
	h := fnv.New64a()
	h.Write(key)
	h.Write(value[:min(4, len(value))])
	return h.Sum64()
}

// Sizes of the parts of an entry's key: view, length, start, sequence, index.
const (
	prefixSize = 1 + 8
	keySize    = prefixSize + 8 + 8 + 4
)

func (k Kind) prefix() []byte {
	return binary.BigEndian.AppendUint64([]byte{k.View}, uint64(k.Length))
}

// entryKey orders by kind, start, sequence and index.
func entryKey(k Kind, start int64, sequence uint64, index int) []byte {
	b := binary.BigEndian.AppendUint64(k.prefix(), uint64(start)^1<<63)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, sequence), uint32(index))
}

func startOf(key []byte) int64 {
	if len(key) < prefixSize+8 {
		return noHorizon
	}
	return int64(binary.BigEndian.Uint64(key[prefixSize:]) ^ 1<<63)
}

func readKey(key []byte) (e Entry, sequence uint64, err error) {
	if len(key) != keySize {
		return e, 0, fmt.Errorf("a key of %d bytes", len(key))
	}
	e.Kind = Kind{key[0], int64(binary.BigEndian.Uint64(key[1:]))}
	e.Start = startOf(key)
	return e, binary.BigEndian.Uint64(key[prefixSize+8:]), nil
}

// contents says once more, with a checksum, what the format is, and which groups there are, so that neither can be
// another without notice. Files of older builds have none.
type contents struct {
	format uint32
	groups []string
}

// putFormat writes the format, and what is in the file.
func putFormat(meta, groups *bbolt.Bucket) error {
	format := binary.BigEndian.AppendUint32(nil, Format)
	b := bytes.Clone(format)
	err := groups.ForEachBucket(func(name []byte) error {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(name))), name...)
		return nil
	})
	return errors.Join(err, meta.Put(formatKey, format), meta.Put(contentsKey, checked(func(c []byte) []byte { return append(c, b...) })))
}

// readContents returns nil if they are not there, or damaged.
func readContents(meta *bbolt.Bucket) *contents {
	b, err := unchecked(meta.Get(contentsKey))
	if err != nil || len(b) < 4 {
		return nil
	}
	c := &contents{format: binary.BigEndian.Uint32(b)}
	for b = b[4:]; len(b) >= 4; {
		n := min(int(binary.BigEndian.Uint32(b)), len(b)-4)
		c.groups, b = append(c.groups, string(b[4:4+n])), b[4+n:]
	}
	return c
}

// append appends the slot's binary form.
func (sl *slot) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, sl.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(sl.saved))
	b = binary.BigEndian.AppendUint64(b, sl.entries)
	b = binary.BigEndian.AppendUint64(b, sl.sum)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(sl.config))), sl.config...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(sl.horizons)))
	for _, h := range sl.horizons {
		b = binary.BigEndian.AppendUint64(append(b, h.Kind.prefix()...), uint64(h.Start))
	}
	return append(b, sl.state...)
}

func readSlot(value []byte) (*slot, error) {
	b, err := unchecked(value)
	if err != nil {
		return nil, err
	}
	number := func() (n uint64) {
		if len(b) < 8 {
			err = errors.New("cut short")
			return 0
		}
		n, b = binary.BigEndian.Uint64(b), b[8:]
		return n
	}
	count := func(size int) (n int) {
		if len(b) < 4 || int(binary.BigEndian.Uint32(b)) > (len(b)-4)/size {
			err = errors.New("cut short")
			return 0
		}
		n, b = int(binary.BigEndian.Uint32(b)), b[4:]
		return n
	}
	sl := &slot{sequence: number(), saved: int64(number()), entries: number(), sum: number()}
	n := count(1)
	sl.config, b = string(b[:n]), b[n:]
	for range count(prefixSize + 8) {
		h := Horizon{Kind: Kind{View: b[0]}}
		b = b[1:]
		h.Length, h.Start = int64(number()), int64(number())
		sl.horizons = append(sl.horizons, h)
	}
	sl.state = bytes.Clone(b)
	return sl, err
}
