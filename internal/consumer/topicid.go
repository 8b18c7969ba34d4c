package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// topicID identifies a topic for ever: one that is made anew under an old name has
// another. Zero means that it is not known.
type topicID = [16]byte

// differ reports whether two ids are those of different topics, as far as known.
func differ(a, b topicID) bool { return a != topicID{} && b != topicID{} && a != b }

// Versions of Metadata with topic ids (Kafka 2.8 and later). The encoding of all of
// them is the same up to the end of the topics.
const (
	metadataFirst = 10
	metadataLast  = 12
)

const (
	maxAPIVersions = 1 << 16
	maxMetadata    = 8 << 20 // some 100,000 partitions
)

// metadataRequest asks for the ids of topics, which the library does not know of. It
// does its own exchange, and asks the same connection for its versions before, since
// brokers that are being upgraded differ in them.
type metadataRequest struct {
	clientID string
	topics   []string
	// partition of the first topic whose leader is asked, since that one's view is what
	// its fetches go by; -1: any broker.
	partition int32
}

// metadataResponse is what the broker says of the topics by name; nil if it knows no ids.
type metadataResponse struct{ topics map[string]identity }

// identity is what a broker says of one topic.
type identity struct {
	code       kafka.Error // 0: none
	id         topicID
	partitions int
}

// ApiKey makes it a protocol.Message.
func (*metadataRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey makes it a protocol.Message.
func (*metadataResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Broker routes the request: to the leader if there is one, else to any broker.
func (r *metadataRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	if r.partition >= 0 {
		if p, ok := c.Topics[r.topics[0]].Partitions[r.partition]; ok {
			if b, ok := c.Brokers[p.Leader]; ok {
				return b, nil
			}
		}
	}
	return protocol.Broker{ID: -1}, nil
}

// Required is true: this request always does its own exchange.
func (r *metadataRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange does two round trips on a connection that nobody else uses meanwhile.
func (r *metadataRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	answer, err := exchange(rw, r.header(protocol.ApiVersions, 0), maxAPIVersions)
	if err != nil {
		return nil, fmt.Errorf("api versions: %w", err)
	}
	version, err := metadataVersion(answer)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return &metadataResponse{}, nil
	}
	if answer, err = exchange(rw, r.encode(version), maxMetadata); err != nil {
		return nil, fmt.Errorf("topic ids: %w", err)
	}
	topics, err := parseMetadata(answer)
	if err != nil {
		return nil, err
	}
	return &metadataResponse{topics}, nil
}

// header begins a request; its size is set by exchange.
func (r *metadataRequest) header(key protocol.ApiKey, version int16) []byte {
	b := make([]byte, 4, 128)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = appendInt32(b, 0) // correlation
	return appendString(b, r.clientID)
}

// encode writes the request in version 10 to 12.
func (r *metadataRequest) encode(version int16) []byte {
	b := append(r.header(protocol.Metadata, version), 0) // no tags
	b = binary.AppendUvarint(b, uint64(len(r.topics))+1)
	for _, name := range r.topics {
		b = append(b, make([]byte, 16)...) // by name, not by id
		b = binary.AppendUvarint(b, uint64(len(name))+1)
		b = append(append(b, name...), 0)
	}
	b = append(b, 0) // do not create them
	if version <= 10 {
		b = append(b, 0) // no operations of the cluster
	}
	return append(b, 0, 0) // no operations of the topics, no tags
}

// exchange sends a request and returns the response after its correlation id.
func exchange(rw io.ReadWriter, request []byte, limit int) ([]byte, error) {
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	if _, err := rw.Write(request); err != nil {
		return nil, err
	}
	var head [8]byte // size, correlation id
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if size < 0 || size > limit {
		return nil, fmt.Errorf("response of %d bytes", size)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(rw, b)
	return b, err
}

var errMalformedMetadata = errors.New("topic ids: malformed response")

// metadataVersion reads a response to ApiVersions of version 0, and returns the version of
// Metadata to ask in; 0 if the broker speaks none with ids.
func metadataVersion(b []byte) (int16, error) {
	r := wireReader{b: b}
	if code := kafka.Error(r.int16()); code != 0 {
		return 0, fmt.Errorf("api versions: %w", code)
	}
	for range r.arrayLen() {
		key, first, last := r.int16(), r.int16(), r.int16()
		if r.bad {
			break
		}
		if last = min(last, metadataLast); protocol.ApiKey(key) == protocol.Metadata && last >= max(first, metadataFirst) {
			return last, nil
		}
	}
	if r.bad {
		return 0, errMalformedMetadata
	}
	return 0, nil
}

// parseMetadata reads a response of version 10 to 12, as far as the topics.
func parseMetadata(b []byte) (map[string]identity, error) {
	r := wireReader{b: b}
	r.tags()
	r.int32() // throttle time
	for range r.compactLen() {
		r.int32()        // broker
		r.compactBytes() // host
		r.int32()        // port
		r.compactBytes() // rack
		r.tags()
	}
	r.compactBytes() // cluster
	r.int32()        // controller
	topics := map[string]identity{}
	for range r.compactLen() {
		code := kafka.Error(r.int16())
		name := string(r.compactBytes())
		t := identity{code: code}
		copy(t.id[:], r.take(len(t.id)))
		r.int8() // internal
		t.partitions = r.partitions()
		r.int32() // operations
		r.tags()
		if r.bad {
			break
		}
		topics[name] = t
	}
	if r.bad {
		return nil, errMalformedMetadata
	}
	return topics, nil
}

// partitions skips the partitions of a topic and returns their number.
func (r *wireReader) partitions() int {
	n := r.compactLen()
	for range n {
		r.take(2 + 4 + 4 + 4) // error, partition, leader, its epoch
		for range 3 {         // replicas in all, in sync, offline
			r.take(4 * r.compactLen())
		}
		r.tags()
		if r.bad {
			return 0
		}
	}
	return n
}

// identities asks for the ids of topics; nil if the brokers do not tell.
func (c *cluster) identities(ctx context.Context, topics []string, partition int) (map[string]identity, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.addr, &metadataRequest{c.transport.ClientID, topics, int32(partition)})
	if err != nil {
		return nil, err
	}
	res, ok := m.(*metadataResponse)
	if !ok {
		return nil, fmt.Errorf("topic ids: unexpected response %T", m)
	}
	return res.topics, nil
}

// topicID asks the leader of a partition for the id of its topic; zero if it does not
// tell. It is an error if the topic has no such partition.
func (c *cluster) topicID(ctx context.Context, topic string, partition int) (topicID, error) {
	all, err := c.identities(ctx, []string{topic}, partition)
	if err != nil || all == nil {
		return topicID{}, err
	}
	t, ok := all[topic]
	switch {
	case !ok:
		return topicID{}, errMalformedMetadata
	case t.code != 0:
		return topicID{}, fmt.Errorf("topic ids: %w", t.code)
	case partition >= t.partitions:
		return topicID{}, fmt.Errorf("the topic has %d partitions now", t.partitions)
	}
	return t.id, nil
}

// gone reports whether the topic was made anew, and has no such partition any more: the leader of another says so. Where brokers
// tell no ids nobody knows.
func (c *cluster) gone(ctx context.Context, topic string, partition int, id topicID) bool {
	told, err := c.identities(ctx, []string{topic}, 0)
	now := told[topic]
	return err == nil && now.code == 0 && now.partitions > 0 && now.partitions <= partition && differ(id, now.id)
}

// sightings are the ids that discovery saw last. Any broker may have told them, even one
// that lags behind, so that they are a reason to ask the leader and no more.
type sightings struct {
	mu     sync.Mutex
	look   int // counts the looks
	topics map[string]identity
}

func (s *sightings) note(topics map[string]identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look++
	s.topics = topics
}

// of returns the id of a topic, zero if it is not known, and in which look it was seen.
func (s *sightings) of(topic string) (topicID, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[topic].id, s.look
}
