package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/event"
)

// consumerConfig says what to read: the topics of all groups, from where the start
// policy says.
func consumerConfig(c *config.Config, models []*modelGroup, now time.Time) (consumer.Config, error) {
	cc, err := connection(c)
	if err != nil {
		return cc, err
	}
	cc.Group, cc.SessionTimeout = c.Kafka.Group, c.Kafka.SessionTimeout
	cc.ReadCommitted = c.Kafka.Isolation == "read_committed"
	for _, m := range models {
		var timeout time.Duration
		if m.labels != "" {
			for _, model := range m.models {
				timeout = max(timeout, model.Labels.Timeout)
			}
		}
		longest := time.Duration(m.monitor.Longest())
		cc.Topics = append(cc.Topics, consumer.Topic{Name: m.predictions, Start: start(c.Kafka.Start, now, longest+timeout)})
		if m.labels != "" && m.labels != m.predictions {
			cc.Topics = append(cc.Topics, consumer.Topic{Name: m.labels, Start: start(c.Kafka.Start, now, longest)})
		}
	}
	return cc, nil
}

// start resolves a start policy; back is how much of the past the windows need.
func start(s config.Start, now time.Time, back time.Duration) consumer.Start {
	switch s.Policy {
	case "earliest":
		return consumer.Start{Policy: consumer.StartEarliest}
	case "latest":
		return consumer.Start{Policy: consumer.StartLatest}
	case "timestamp":
		return consumer.Start{Policy: consumer.StartTimestamp, Time: s.Time}
	default: // window
		return consumer.Start{Policy: consumer.StartTimestamp, Time: now.Add(-back)}
	}
}

// connection is how to reach the brokers.
func connection(c *config.Config) (consumer.Config, error) {
	cc := consumer.Config{Brokers: c.Kafka.Brokers, ClientID: c.Kafka.ClientID}
	var err error
	if t := c.Kafka.TLS; t != nil {
		if cc.TLS, err = consumer.TLSConfig(t.CAFile, t.CertFile, t.KeyFile, t.ServerName, t.InsecureSkipVerify); err != nil {
			return cc, err
		}
	}
	if s := c.Kafka.SASL; s != nil {
		password := s.Password
		if s.PasswordFile != "" {
			data, err := os.ReadFile(s.PasswordFile)
			if err != nil {
				return cc, fmt.Errorf("read password: %w", err)
			}
			password = strings.TrimRight(string(data), "\r\n")
		}
		if cc.SASL, err = consumer.SASLMechanism(s.Mechanism, s.Username, password); err != nil {
			return cc, err
		}
	}
	return cc, nil
}

// deadLetters writes rejected messages to a topic, as the owner of the group. The
// lanes wait when it falls behind, so that none is lost while the process lives.
type deadLetters struct {
	writer *consumer.Writer
	owner  func() bool
	logger *slog.Logger
	queue  chan consumer.DeadLetter
	ended  chan struct{}

	mu    sync.Mutex
	count map[partitionKey]uint64
}

func newDeadLetters(w *consumer.Writer, owner func() bool, l *slog.Logger) *deadLetters {
	return &deadLetters{writer: w, owner: owner, logger: l, queue: make(chan consumer.DeadLetter, 1000), ended: make(chan struct{}), count: map[partitionKey]uint64{}}
}

func (d *deadLetters) add(k partitionKey, offset int64, message []byte, reason event.Reason) {
	if !d.owner() {
		return // the owner writes it
	}
	payload := append([]byte(nil), message[:min(len(message), maxDeadLetter)]...)
	select {
	case d.queue <- consumer.DeadLetter{Topic: k.topic, Partition: k.index, Offset: offset, Reason: reason.String(), Payload: payload}:
	case <-d.ended:
	}
}

// maxDeadLetter caps the payload of a dead letter.
const maxDeadLetter = 64 << 10

// letterBatch is how many letters are written at a time at most.
const letterBatch = 500

// run writes until the context ends, and then what is queued, for a second at most.
func (d *deadLetters) run(ctx context.Context) error {
	defer d.writer.Close()
	defer close(d.ended)
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			for len(d.queue) > 0 && last.Err() == nil {
				d.write(last, d.gather(nil))
			}
			return nil
		case l := <-d.queue:
			d.write(ctx, d.gather([]consumer.DeadLetter{l}))
		}
	}
}

// gather adds what is queued, without waiting.
func (d *deadLetters) gather(letters []consumer.DeadLetter) []consumer.DeadLetter {
	for len(letters) < letterBatch {
		select {
		case l := <-d.queue:
			letters = append(letters, l)
		default:
			return letters
		}
	}
	return letters
}

// write retries until the letters are stored or the context ends.
func (d *deadLetters) write(ctx context.Context, letters []consumer.DeadLetter) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := d.writer.Write(ctx, letters...)
		if err == nil {
			d.mu.Lock()
			for _, l := range letters {
				d.count[partitionKey{l.Topic, l.Partition}]++
			}
			d.mu.Unlock()
			return
		}
		if failures == 0 {
			d.logger.Error("cannot write dead letters; reading waits for it", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (d *deadLetters) written(k partitionKey) uint64 {
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[k]
}
