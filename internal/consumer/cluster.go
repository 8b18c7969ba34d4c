package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 5 * time.Second
)

// Special times of ListOffsets.
const (
	timeLatest   = kafka.LastOffset  // -1
	timeEarliest = kafka.FirstOffset // -2
)

// cluster holds the connections to the brokers. All of them break when it is closed.
type cluster struct {
	brokers   []string
	addr      net.Addr
	transport *kafka.Transport
	client    *kafka.Client
	dialer    *kafka.Dialer
	tls       *tls.Config     // nil: none
	ctx       context.Context // ends with close
	cancel    context.CancelFunc
}

func newCluster(cfg *Config, topics []string) *cluster {
	c := &cluster{brokers: cfg.Brokers, addr: kafka.TCP(cfg.Brokers...), tls: cfg.TLS}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.transport = &kafka.Transport{
		Dial: c.dial, DialTimeout: dialTimeout, ClientID: cfg.ClientID, SASL: cfg.SASL,
		MetadataTTL: cfg.MetadataInterval, MetadataTopics: topics, Context: c.ctx,
	}
	c.client = &kafka.Client{Addr: c.addr, Timeout: requestTimeout, Transport: c.transport}
	c.dialer = &kafka.Dialer{ClientID: cfg.ClientID, Timeout: dialTimeout, DialFunc: c.dial, SASLMechanism: cfg.SASL}
	return c
}

func (c *cluster) close() {
	c.cancel()
	c.transport.CloseIdleConnections()
}

// boundConn is a connection that closes when its cluster does: an abandoned long
// poll would otherwise keep its goroutine until it answers.
type boundConn struct {
	net.Conn
	unbind func() bool
}

// Close closes the connection.
func (c boundConn) Close() error {
	c.unbind()
	return c.Conn.Close()
}

// dial connects, with TLS if it is configured: the guard must see what is within.
func (c *cluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	bound := boundConn{conn, context.AfterFunc(c.ctx, func() { conn.Close() })}
	if c.tls == nil {
		return &guard{Conn: bound}, nil
	}
	secure := tls.Client(bound, c.tlsFor(address))
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		bound.Close()
		return nil, err
	}
	return &guard{Conn: secure}, nil
}

// tlsFor returns the config of TLS with the name of the server, if it has none, from its address.
func (c *cluster) tlsFor(address string) *tls.Config {
	if c.tls.ServerName != "" {
		return c.tls
	}
	named := c.tls.Clone()
	if host, _, err := net.SplitHostPort(address); err == nil {
		named.ServerName = host
	}
	return named
}

// probe connects and authenticates to one broker. The client reports any such
// trouble as "broker not available"; the dialer tells the cause.
func (c *cluster) probe(ctx context.Context) error {
	var errs []error
	for _, b := range c.brokers {
		err := c.probeOne(ctx, b)
		if err == nil {
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w (the broker closed the connection: does this listener want TLS or SASL?)", err)
		}
		errs = append(errs, fmt.Errorf("connect to %s: %w", b, err))
	}
	return errors.Join(errs...)
}

func (c *cluster) probeOne(ctx context.Context, broker string) error {
	conn, err := c.dialer.DialContext(ctx, "tcp", broker)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	// Dialing alone exchanges nothing where there is no SASL.
	_, err = conn.Brokers()
	return err
}

// topicInfo is what the metadata say of a topic.
type topicInfo struct {
	partitions int
	err        error // why it cannot be read now; nil if it can
}

// topics returns the cached metadata of the named topics. If there are none yet, the
// error is the true cause.
func (c *cluster) topics(ctx context.Context, names []string) (map[string]topicInfo, error) {
	m, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		if cause := c.probe(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	out := map[string]topicInfo{}
	for _, t := range m.Topics {
		out[t.Name] = topicInfo{len(t.Partitions), t.Error}
	}
	return out, nil
}

// offsetAt asks for the first offset stamped at or after t (Unix ms), or for that of
// a special time. -1 means that there is no such record.
func (c *cluster) offsetAt(ctx context.Context, topic string, partition int, t int64, committed bool) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req := &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{
		Topic:      topic,
		Partitions: []listoffsets.RequestPartition{{Partition: int32(partition), CurrentLeaderEpoch: -1, Timestamp: t}},
	}}}
	if committed {
		req.IsolationLevel = int8(kafka.ReadCommitted)
	}
	m, err := c.transport.RoundTrip(ctx, c.addr, req)
	if err != nil {
		return 0, fmt.Errorf("list offsets: %w", err)
	}
	res, ok := m.(*listoffsets.Response)
	if !ok || len(res.Topics) == 0 || len(res.Topics[0].Partitions) == 0 {
		return 0, errors.New("list offsets: empty response")
	}
	p := res.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return 0, fmt.Errorf("list offsets: %w", kafka.Error(p.ErrorCode))
	}
	if p.Offset < 0 && t < 0 {
		return 0, errors.New("list offsets: no offset though a log has both ends")
	}
	return p.Offset, nil
}

// fetch does one exchange; it may take maxWait and a few seconds.
func (c *cluster) fetch(ctx context.Context, r *fetchRequest) (*fetchResponse, error) {
	wait := time.Duration(r.MaxWaitTime) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.addr, r)
	if err != nil {
		return nil, err
	}
	res, ok := m.(*fetchResponse)
	if !ok {
		return nil, fmt.Errorf("fetch: unexpected response %T", m)
	}
	return res, nil
}
