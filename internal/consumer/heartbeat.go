package consumer

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// heartbeatRequest is a heartbeat of a group member. Like a fetch it does its own
// exchange: the library's message is sent to any broker instead of the coordinator,
// and takes the throttle time for the error code, so that it never fails.
type heartbeatRequest struct {
	clientID   string
	group      string
	generation int32
	member     string
}

// heartbeatResponse is the outcome of a heartbeat.
type heartbeatResponse struct{ code kafka.Error }

// ApiKey makes it a protocol.Message.
func (*heartbeatRequest) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

// ApiKey makes it a protocol.Message.
func (*heartbeatResponse) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

// Group routes the request to the coordinator.
func (r *heartbeatRequest) Group() string { return r.group }

// Required is true: this request always does its own exchange.
func (r *heartbeatRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange does one round trip in version 0, which all brokers speak.
func (r *heartbeatRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	b := make([]byte, 4, 128)
	b = binary.BigEndian.AppendUint16(b, uint16(protocol.Heartbeat))
	b = append(b, 0, 0)   // version
	b = appendInt32(b, 0) // correlation
	b = appendString(b, r.clientID)
	b = appendString(b, r.group)
	b = appendInt32(b, r.generation)
	b = appendString(b, r.member)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := rw.Write(b); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	var in [10]byte // size, correlation, error code
	if _, err := io.ReadFull(rw, in[:]); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if size := binary.BigEndian.Uint32(in[:]); size != 6 {
		return nil, fmt.Errorf("heartbeat: response of %d bytes", size)
	}
	return &heartbeatResponse{kafka.Error(int16(binary.BigEndian.Uint16(in[8:])))}, nil
}

// heartbeat returns nil if the coordinator knows the member in this generation.
func (c *cluster) heartbeat(ctx context.Context, r *heartbeatRequest, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.addr, r)
	if err != nil {
		return err
	}
	if res := m.(*heartbeatResponse); res.code != 0 {
		return fmt.Errorf("heartbeat: %w", res.code)
	}
	return nil
}
