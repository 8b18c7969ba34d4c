package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchRequest asks for the records of one partition. The transport routes it to
// the leader and authenticates the connection; the bytes are written and read here,
// because kafka-go's own decoder drops a batch's last offset (so that an emptied
// batch holds the reader for ever), hides throttling and unpacks without a limit.
//
// It owns the buffer of its response and is used again for the next fetch, but never
// after an error: an abandoned exchange may still be writing to it.
type fetchRequest struct {
	fetch.Request // for the routing
	clientID      string
	keep          int // bytes of the response to keep at most

	version int16
	out, in []byte
}

func newFetchRequest(cfg *Config, topic string, partition int) *fetchRequest {
	isolation := int8(kafka.ReadUncommitted)
	if cfg.ReadCommitted {
		isolation = int8(kafka.ReadCommitted)
	}
	return &fetchRequest{
		clientID: cfg.ClientID,
		keep:     usualPacked*cfg.MaxBytes + answerHead,
		Request: fetch.Request{
			MaxWaitTime: int32(cfg.MaxWait.Milliseconds()), MinBytes: 1, MaxBytes: int32(cfg.MaxBytes), IsolationLevel: isolation,
			Topics: []fetch.RequestTopic{{
				Topic:      topic,
				Partitions: []fetch.RequestPartition{{Partition: int32(partition), PartitionMaxBytes: int32(cfg.MaxBytes)}},
			}},
		},
	}
}

func (r *fetchRequest) seek(offset int64) { r.Topics[0].Partitions[0].FetchOffset = offset }

// Required notes the negotiated version: this request always does its own exchange.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

// RawExchange does one round trip on a connection that nobody else uses meanwhile.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < 4 {
		return nil, errors.New("fetch: the broker is older than Kafka 0.11")
	}
	if _, err := rw.Write(r.encode()); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	truncated, err := r.receive(rw)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return parseFetch(r.in, r.version, truncated)
}

// encode writes the request in version 4 to 11.
func (r *fetchRequest) encode() []byte {
	p := r.Topics[0].Partitions[0]
	b := append(r.out[:0], 0, 0, 0, 0) // size, set last
	b = binary.BigEndian.AppendUint16(b, uint16(protocol.Fetch))
	b = binary.BigEndian.AppendUint16(b, uint16(r.version))
	b = appendInt32(b, 0) // correlation
	b = appendString(b, r.clientID)
	b = appendInt32(b, -1, r.MaxWaitTime, r.MinBytes, r.MaxBytes) // replica -1: a client
	b = append(b, byte(r.IsolationLevel))
	if r.version >= 7 {
		b = appendInt32(b, 0, -1) // no session
	}
	b = appendInt32(b, 1)
	b = appendString(b, r.Topics[0].Topic)
	b = appendInt32(b, 1, p.Partition)
	if r.version >= 9 {
		b = appendInt32(b, -1) // leader epoch unknown
	}
	b = appendInt64(b, p.FetchOffset)
	if r.version >= 5 {
		b = appendInt64(b, -1) // log start offset: followers only
	}
	b = appendInt32(b, p.PartitionMaxBytes)
	if r.version >= 7 {
		b = appendInt32(b, 0) // nothing to forget
	}
	if r.version >= 11 {
		b = appendString(b, "") // rack
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	r.out = b
	return b
}

// receive reads the response after its correlation id into r.in. What is beyond the
// limit is read and dropped.
func (r *fetchRequest) receive(rd io.Reader) (truncated bool, err error) {
	var head [8]byte // size, correlation id
	if _, err := io.ReadFull(rd, head[:]); err != nil {
		return false, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if size < 0 {
		return false, fmt.Errorf("response of %d bytes", size)
	}
	n := min(size, r.keep)
	if cap(r.in) < n {
		r.in = make([]byte, n)
	}
	r.in = r.in[:n]
	if _, err := io.ReadFull(rd, r.in); err != nil {
		return false, err
	}
	_, err = io.CopyN(io.Discard, rd, int64(size-n))
	return size > n, err
}

// answerHead is above what precedes the records in an answer.
const answerHead = 1 << 16

// fetchLarge fetches the batch of n bytes at the position, once there is room for it. It returns nothing if there is
// trouble, or if there is another one now.
func (p *partition) fetchLarge(ctx context.Context, n int) fetched {
	if err := p.claim.pack(ctx); err != nil {
		return fetched{}
	}
	req := newFetchRequest(p.cfg, p.topic, p.id)
	req.keep = n + answerHead
	req.seek(p.next)
	res, err := p.cluster.fetch(ctx, req)
	if err != nil || res.code != 0 || res.empty || res.lacks(p.cfg.MaxBatchBytes) > 0 {
		p.free()
		p.overcome(ctx, fetched{nil, res, err})
		return fetched{}
	}
	res.records = res.records[:min(len(res.records), n)] // what follows would be held as well
	return fetched{nil, res, nil}
}

// lacks returns the size of the first batch of records, if its end is missing because it is larger than what is
// kept of an answer, and not larger than most; else 0.
func (f *fetchResponse) lacks(most int) int {
	if !f.truncated || len(f.records) < batchPrefix {
		return 0
	}
	n := batchPrefix + int(int32(binary.BigEndian.Uint32(f.records[8:])))
	if n <= len(f.records) || n > most+batchHeader {
		return 0
	}
	return n
}

// fetchResponse is the answer for the one partition that was asked for.
type fetchResponse struct {
	empty    bool // no partition in it: a quota throttles us
	throttle time.Duration
	code     kafka.Error // 0: none

	highWatermark, lastStable int64
	aborted                   []abortedTransaction

	records   []byte // record batches, the last one possibly cut off
	truncated bool   // by our own limit
}

// ApiKey makes it a protocol.Message.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

var errMalformedFetch = errors.New("fetch: malformed response")

// parseFetch reads a response of version 4 to 11. The records point into b.
func parseFetch(b []byte, version int16, truncated bool) (*fetchResponse, error) {
	r := wireReader{b: b}
	f := &fetchResponse{truncated: truncated}
	f.throttle = time.Duration(r.int32()) * time.Millisecond
	if version >= 7 {
		f.code = kafka.Error(r.int16())
		r.int32() // session
	}
	if topics := r.arrayLen(); topics == 0 || r.bad {
		f.empty = true
		return f, r.err()
	}
	r.take(int(r.int16())) // name
	if partitions := r.arrayLen(); partitions == 0 || r.bad {
		f.empty = true
		return f, r.err()
	}
	r.int32() // partition
	if code := kafka.Error(r.int16()); code != 0 {
		f.code = code
	}
	f.highWatermark, f.lastStable = r.int64(), r.int64()
	if version >= 5 {
		r.int64() // log start offset
	}
	for range r.arrayLen() {
		f.aborted = append(f.aborted, abortedTransaction{producer: r.int64(), first: r.int64()})
	}
	if version >= 11 {
		r.int32() // preferred replica: only with a rack
	}
	f.records = r.recordSet(truncated)
	return f, r.err()
}

// recordSet reads the sized bytes of the records, of which the end may be missing.
func (r *wireReader) recordSet(truncated bool) []byte {
	n := int(r.int32())
	if truncated {
		n = min(n, len(r.b))
	}
	if n <= 0 {
		return nil
	}
	return r.take(n)
}

func (r *wireReader) err() error {
	if r.bad {
		return errMalformedFetch
	}
	return nil
}
