package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// MaxDeadLetter is the number of bytes of a payload that a dead letter keeps.
const MaxDeadLetter = 64 << 10

// DeadLetter is a message that could not be processed.
type DeadLetter struct {
	Topic     string
	Partition int
	Offset    int64
	Reason    string
	Key       []byte
	Payload   []byte
	// Size of the message in bytes, if the payload is not all of it.
	Size int
}

// Writer writes dead letters to a topic and waits until all in-sync replicas have
// them. It may be used concurrently.
type Writer struct {
	cluster *cluster
	writer  *kafka.Writer
}

// NewWriter returns a writer to the topic with cfg's brokers, TLS and SASL. It does
// not connect. If may is not nil, it is asked whenever something is about to be sent.
func NewWriter(cfg Config, topic string, may func() bool) *Writer {
	cfg = cfg.withDefaults()
	c := newCluster(&cfg, []string{topic})
	return &Writer{cluster: c, writer: &kafka.Writer{
		Addr: c.addr, Topic: topic, Transport: &fence{c.transport, may},
		RequiredAcks: kafka.RequireAll, // the default acknowledges nothing
		BatchTimeout: 5 * time.Millisecond, MaxAttempts: 3, Balancer: &kafka.Hash{},
		WriteTimeout: requestTimeout, ReadTimeout: requestTimeout,
	}}
}

// ErrFenced is the failure of writing what may not be written any more.
var ErrFenced = errors.New("this member does not own the group any more")

// fence lets messages through while that is allowed. It stands behind the library's batching and
// retries, which know nothing of it: between a call of Write and the sending much time can pass if the
// process is stopped.
type fence struct {
	kafka.RoundTripper
	may func() bool
}

// RoundTrip makes it a kafka.RoundTripper.
func (f *fence) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if f.may != nil && !f.may() {
		return nil, ErrFenced
	}
	return f.RoundTripper.RoundTrip(ctx, addr, req)
}

// ErrTooLarge is the failure of writing a letter that is larger than the topic allows.
var ErrTooLarge = errors.New("too large for the topic")

// Write returns when the letters are stored, or the first error; ErrTooLarge if one of
// them is. A letter may then be stored twice: the headers topic, partition and offset
// identify it, as does its key topic/partition/offset. Payloads are cut at MaxDeadLetter
// bytes.
func (w *Writer) Write(ctx context.Context, letters ...DeadLetter) error {
	messages := make([]kafka.Message, len(letters))
	for i := range letters {
		messages[i] = letters[i].message()
	}
	if err := firstError(w.writer.WriteMessages(ctx, messages...)); err != nil {
		var local kafka.MessageTooLargeError
		if errors.Is(err, kafka.MessageSizeTooLarge) || errors.As(err, &local) {
			err = fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		return fmt.Errorf("write dead letters to %s: %w", w.writer.Topic, err)
	}
	return nil
}

func (d *DeadLetter) message() kafka.Message {
	partition, offset := strconv.Itoa(d.Partition), strconv.FormatInt(d.Offset, 10)
	headers := []kafka.Header{
		{Key: "topic", Value: []byte(d.Topic)},
		{Key: "partition", Value: []byte(partition)},
		{Key: "offset", Value: []byte(offset)},
		{Key: "reason", Value: []byte(d.Reason)},
	}
	if len(d.Key) > 0 && len(d.Key) <= MaxDeadLetter {
		headers = append(headers, kafka.Header{Key: "key", Value: d.Key})
	}
	payload := d.Payload[:min(len(d.Payload), MaxDeadLetter)]
	if size := max(d.Size, len(d.Payload)); size > len(payload) {
		headers = append(headers, kafka.Header{Key: "size", Value: []byte(strconv.Itoa(size))})
	}
	return kafka.Message{Key: []byte(d.Topic + "/" + partition + "/" + offset), Value: payload, Headers: headers}
}

// firstError opens kafka.WriteErrors, which errors.Is does not see into.
func firstError(err error) error {
	var all kafka.WriteErrors
	if !errors.As(err, &all) {
		return err
	}
	for _, e := range all {
		if e != nil {
			return e
		}
	}
	return nil
}

// Close releases the connections.
func (w *Writer) Close() error {
	err := w.writer.Close()
	w.cluster.close()
	return err
}
