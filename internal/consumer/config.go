package consumer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// StartPolicy says where a partition without a saved position is read from.
type StartPolicy uint8

// The start policies. Partitions that appear while Run works are read from their
// first offset under StartLatest too: all they hold is new.
const (
	StartEarliest  StartPolicy = iota // the first offset that is still there
	StartLatest                       // the end as of the start
	StartTimestamp                    // the first record stamped at or after Start.Time, else the end
	startNewest                       // the end less Start.newest
)

// Start is a start policy with its parameter.
type Start struct {
	Policy StartPolicy
	Time   time.Time // for StartTimestamp
	newest int64
}

// Topic is a topic to read and where to begin.
type Topic struct {
	Name  string
	Start Start
}

// Position is where reading goes on.
type Position struct {
	Offset int64
	// TopicID is the id of the topic that it is in; zero if it is unknown.
	TopicID [16]byte
}

// Config says what to read, from where and how. Brokers and Topics are required;
// zero values of the rest mean the defaults that are given.
type Config struct {
	Brokers  []string
	Group    string // consumer group; "" means no membership, always the owner
	ClientID string // default "streammon"
	Topics   []Topic

	ReadCommitted bool
	TLS           *tls.Config
	SASL          sasl.Mechanism

	// UntilEnd makes Run end when every partition was read to the end that was
	// noted when all topics were first seen. Later partitions are not read.
	UntilEnd bool

	SessionTimeout    time.Duration // of the group membership; default 10 s
	HeartbeatInterval time.Duration // default a fifth of SessionTimeout
	CommitInterval    time.Duration // default 5 s
	MetadataInterval  time.Duration // how often new topics and partitions are looked for; default 2 s
	MaxWait           time.Duration // of a fetch at the end of a partition; default 500 ms

	openAfter time.Duration // after which an open transaction is said to hold reading up; default 1 min

	MaxBytes int // of a fetch of one partition; default 1 MiB. A larger batch is delivered whole
	// MaxBatchBytes caps one record batch, both packed and unpacked; a larger one is
	// skipped and counted. It takes that much memory, and up to half as much for its
	// records, once for all partitions: see Memory. Default 32 MiB.
	MaxBatchBytes int

	Logger *slog.Logger // default: discard

	// Wait is called by the goroutine of a partition before it unpacks what is handed on next, and may block: it
	// waits for memory. It must return in the end, whatever is read of other partitions. May be nil.
	Wait func()

	// Positions gives the saved position to go on from, if there is one. It is called
	// by any goroutine. May be nil.
	Positions func(topic string, partition int) (Position, bool)
	// OnPartitions is told the number of partitions of each topic before the first
	// of them is read, and again whenever it has grown. It is never called
	// concurrently. May be nil.
	OnPartitions func(topic string, partitions int)
	// OnFewer is told, at each look, of a topic that has fewer partitions than Partitions says that the
	// handler has, and of its id. Both or neither may be nil.
	OnFewer    func(topic string, partitions int, id [16]byte)
	Partitions func(topic string) int
}

func (c Config) withDefaults() Config {
	setDefault(&c.ClientID, "streammon")
	setDefault(&c.SessionTimeout, 10*time.Second)
	setDefault(&c.HeartbeatInterval, c.SessionTimeout/5)
	setDefault(&c.CommitInterval, 5*time.Second)
	setDefault(&c.MetadataInterval, 2*time.Second)
	setDefault(&c.MaxWait, 500*time.Millisecond)
	setDefault(&c.openAfter, time.Minute)
	setDefault(&c.MaxBytes, 1<<20)
	setDefault(&c.MaxBatchBytes, 32<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("consumer: no brokers")
	}
	if len(c.Topics) == 0 {
		return errors.New("consumer: no topics")
	}
	seen := map[string]bool{}
	for _, t := range c.Topics {
		if t.Name == "" || seen[t.Name] {
			return fmt.Errorf("consumer: topic %q is empty or listed twice", t.Name)
		}
		seen[t.Name] = true
	}
	if d := c.withDefaults(); d.HeartbeatInterval <= 0 || d.HeartbeatInterval >= d.SessionTimeout {
		return fmt.Errorf("consumer: a heartbeat every %v does not fit a session timeout of %v", d.HeartbeatInterval, d.SessionTimeout)
	}
	return nil
}
