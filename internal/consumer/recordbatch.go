package consumer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
)

// Attribute bits of a record batch.
const (
	codecMask         = 0x07
	logAppendTime     = 0x08
	transactionalFlag = 0x10
	controlFlag       = 0x20
)

const (
	batchPrefix = 12 // base offset and length, before what the length counts
	batchHeader = 61 // up to the first record
	recordSize  = 7  // of the smallest record
	crcFrom     = 21 // the checksum covers all from the attributes on
)

var (
	errFormat   = errors.New("record batch of an unknown format")
	errHeader   = errors.New("record batch with a malformed header")
	errChecksum = errors.New("record batch with a wrong checksum")
	errRecords  = errors.New("record batch with malformed records")
	errTooLarge = errors.New("record batch beyond the size limit")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBatch is the header of a record batch (format 2, Kafka 0.11 and later) and
// its packed records.
type recordBatch struct {
	base, last int64 // offsets that it covers, also of records that were compacted away
	attributes int16
	firstTime  int64
	maxTime    int64
	producer   int64
	count      int32
	packed     []byte
	err        error // why its records cannot be read; last holds all the same
}

func (b *recordBatch) codec() int8         { return int8(b.attributes & codecMask) }
func (b *recordBatch) transactional() bool { return b.attributes&transactionalFlag != 0 }
func (b *recordBatch) control() bool       { return b.attributes&controlFlag != 0 }

// nextBatch cuts the first batch off a record set. cut says that the set lost its
// end to our own limit, so that an incomplete batch is one that is too large. It
// returns false at the end of the set or at a batch that the broker cut off.
func nextBatch(set []byte, cut bool) (b recordBatch, rest []byte, ok bool) {
	if len(set) < batchPrefix+5 {
		return b, nil, false
	}
	r := wireReader{b: set}
	b.base = r.int64()
	b.last = b.base
	size := int(r.int32())
	if size < 0 || batchPrefix+size < batchPrefix+5 {
		b.err = errHeader
		return b, nil, true // where the next one begins is unknown
	}
	whole := len(set) >= batchPrefix+size
	if !whole && !cut {
		return b, nil, false
	}
	if whole {
		set, rest = set[:batchPrefix+size], set[batchPrefix+size:]
	}
	b.parse(set)
	if !whole {
		b.err = errTooLarge
	}
	return b, rest, true
}

// parse reads the header of one batch that may lack its end.
func (b *recordBatch) parse(set []byte) {
	if set[16] != 2 {
		b.err = errFormat // formats 0 and 1: the offset is that of the last record
		return
	}
	if len(set) < batchHeader {
		b.err = errHeader
		return
	}
	r := wireReader{b: set[17:]}
	crc := uint32(r.int32())
	b.attributes = r.int16()
	b.last = b.base + int64(max(r.int32(), 0))
	b.firstTime, b.maxTime, b.producer = r.int64(), r.int64(), r.int64()
	r.take(6) // producer epoch, first sequence number
	b.count = r.int32()
	b.packed = r.b
	if crc32.Checksum(set[crcFrom:], castagnoli) != crc {
		b.err = errChecksum
	}
}

// appendRecords appends the records of the batch whose offsets are in [from, to),
// given its unpacked bytes, into which they point. A malformed batch gives none.
func (b *recordBatch) appendRecords(out []Record, body []byte, from, to int64) ([]Record, error) {
	r := wireReader{b: body}
	start, previous := len(out), b.base-1
	if b.count < 0 || int(b.count) > len(body)/recordSize {
		return out, errRecords
	}
	out = slices.Grow(out, int(b.count)) // once, not by and by
	for range b.count {
		rec, ok := b.record(&r)
		if !ok || rec.Offset <= previous || rec.Offset > b.last {
			return out[:start], errRecords
		}
		previous = rec.Offset
		if rec.Offset >= from && rec.Offset < to {
			out = append(out, rec)
		}
	}
	return out, nil
}

func (b *recordBatch) record(r *wireReader) (Record, bool) {
	one := wireReader{b: r.varBytes()}
	one.int8() // attributes: none are defined
	timeDelta, offsetDelta := one.varint(), one.varint()
	rec := Record{Offset: b.base + offsetDelta, Timestamp: b.timestamp(timeDelta)}
	rec.Key, rec.Value = one.varBytes(), one.varBytes()
	// Headers follow; nobody asks for them.
	return rec, !r.bad && !one.bad && offsetDelta >= 0
}

func (b *recordBatch) timestamp(delta int64) int64 {
	if b.attributes&logAppendTime != 0 {
		return b.maxTime
	}
	return b.firstTime + delta // the first may have none and the others one
}

// abortMarker reports whether the unpacked body of a control batch is the marker of
// an aborted transaction.
func (b *recordBatch) abortMarker(body []byte) bool {
	r := wireReader{b: body}
	rec, ok := b.record(&r)
	return ok && len(rec.Key) >= 4 && binary.BigEndian.Uint16(rec.Key[2:]) == 0
}
