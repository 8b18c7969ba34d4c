package app

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
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
		for _, model := range m.models {
			if m.labels != "" && model.Measured() {
				timeout = max(timeout, model.Labels.Timeout)
			}
		}
		// What is shown ends before now by the lateness, and by the pane that is open.
		longest := time.Duration(m.monitor.Kept()) + c.AllowedLateness + 2*c.Pane
		cc.Topics = append(cc.Topics, consumer.Topic{Name: m.predictions, Start: start(c.Kafka.Start, now, longest+timeout)})
		if m.labels != "" && m.labels != m.predictions {
			// From before the predictions on: one whose label is older than that would seem to have none.
			cc.Topics = append(cc.Topics, consumer.Topic{Name: m.labels, Start: start(c.Kafka.Start, now, longest+timeout+c.AllowedLateness)})
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
