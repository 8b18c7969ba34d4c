package consumer

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that speaks nothing newer than TLS 1.1 is refused.
func TestOldTLS(t *testing.T) {
	cert, key := certificate(t)
	ours, err := TLSConfig(cert, cert, key, "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, insecure := range []bool{false, true} {
		if c, err := TLSConfig("", "", "", "", insecure); err != nil || c.InsecureSkipVerify != insecure || c.MinVersion != tls.VersionTLS12 {
			t.Errorf("TLSConfig gave %+v, %v", c, err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		_, b := testkafka.Fake(t, kfake.TLS(&tls.Config{Certificates: ours.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: version}), kfake.SeedTopics(1, "t"))
		cfg := quick(b, "t")
		cfg.TLS = ours
		err := Probe(t.Context(), cfg)
		if version >= tls.VersionTLS12 {
			if err != nil {
				t.Errorf("%s: %v", tls.VersionName(version), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "protocol version not supported") {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		// It is for its age alone that it was refused.
		cfg.TLS = ours.Clone()
		cfg.TLS.MinVersion = tls.VersionTLS10
		if err := Probe(t.Context(), cfg); err != nil {
			t.Errorf("%s, allowed: %v", tls.VersionName(version), err)
		}
	}
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns how many lines hold the text.
func (l *logBuffer) lines(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// What SECURITY.md says that a client may have to be allowed is enough; without one of it, an
// error names the resource.
func TestAccess(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		address := b.Secure(t, testkafka.SASL)
		b.NeedsACLs(t)
		const (
			ofTopic, ofGroup = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
			read, describe   = kmsg.ACLOperationRead, kmsg.ACLOperationDescribe
			write            = kmsg.ACLOperationWrite
		)
		topic, letters := b.CreateTopic(t, 1, nil), b.CreateTopic(t, 1, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 5)...)
		for _, c := range []struct {
			name    string
			allowed func(group string) []testkafka.Allowed
			// what is missing: "" nothing, else the resource
			reading, owning, writing bool
			want                     string
		}{
			{name: "all of it", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{
					{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofTopic, Name: topic, Operation: describe},
					{Kind: ofGroup, Name: group, Operation: read}, {Kind: ofGroup, Name: group, Operation: describe},
					{Kind: ofTopic, Name: letters, Operation: write}, {Kind: ofTopic, Name: letters, Operation: describe},
				}
			}, reading: true, owning: true, writing: true},
			{name: "the least", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{
					{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofGroup, Name: group, Operation: read}, {Kind: ofTopic, Name: letters, Operation: write},
				}
			}, reading: true, owning: true, writing: true},
			{name: "nothing of the topic", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{{Kind: ofGroup, Name: group, Operation: read}, {Kind: ofTopic, Name: letters, Operation: write}}
			}, writing: true, want: topic},
			{name: "topic not read", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{
					{Kind: ofTopic, Name: topic, Operation: describe}, {Kind: ofGroup, Name: group, Operation: read}, {Kind: ofTopic, Name: letters, Operation: write},
				}
			}, owning: true, writing: true, want: topic},
			{name: "nothing of the group", allowed: func(string) []testkafka.Allowed {
				return []testkafka.Allowed{{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofTopic, Name: letters, Operation: write}}
			}, reading: true, writing: true, want: "GROUP"},
			{name: "group not read", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{
					{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofGroup, Name: group, Operation: describe}, {Kind: ofTopic, Name: letters, Operation: write},
				}
			}, reading: true, writing: true, want: "GROUP"},
			{name: "nothing of the dead letters", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofGroup, Name: group, Operation: read}}
			}, reading: true, owning: true},
			{name: "dead letters not written", allowed: func(group string) []testkafka.Allowed {
				return []testkafka.Allowed{
					{Kind: ofTopic, Name: topic, Operation: read}, {Kind: ofGroup, Name: group, Operation: read}, {Kind: ofTopic, Name: letters, Operation: describe},
				}
			}, reading: true, owning: true},
		} {
			t.Run(c.name, func(t *testing.T) {
				group := testkafka.Name(t)
				b.Allow(t, c.allowed(group)...)
				var log logBuffer
				cfg := quick(b, topic)
				cfg.Brokers, cfg.Group = []string{address}, group
				cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				var err error
				if cfg.SASL, err = SASLMechanism("PLAIN", testkafka.LimitedUser, testkafka.LimitedPassword); err != nil {
					t.Fatal(err)
				}
				r := start(t, cfg, newCollector())
				if c.reading {
					r.got.waitTotal(t, 5)
				}
				if c.owning {
					eventually(t, "ownership", r.Owner)
				}
				if c.reading && c.owning {
					r.Commit(topic, 0, 5)
					eventually(t, "the commit", func() bool { return fetchCommit(t, b, group, topic, 0) == 5 })
				}
				if c.want != "" {
					want := strings.Replace(c.want, "GROUP", group, 1)
					shown := func() string {
						s := r.Status()
						all := []string{s.Error}
						for _, p := range s.Partitions {
							if p.Error != "" {
								all = append(all, fmt.Sprintf("%s/%d: %s", p.Topic, p.Partition, p.Error))
							}
						}
						return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "; ")
					}
					eventually(t, "an error that names "+want, func() bool {
						s := shown()
						return strings.Contains(s, want) && strings.Contains(s, "Authorization Failed")
					})
					t.Logf("shown: %s", shown())
					time.Sleep(2 * time.Second) // time to repeat itself
					// Rights reach a broker one after the other, so that it may lack another one first.
					if n := log.lines("Authorization Failed"); n < 1 || n > 2 || log.lines(want) == 0 {
						t.Errorf("the log has %d lines of it, and names the resource in %d:\n%s", n, log.lines(want), log.b.String())
					}
				}
				w := NewWriter(cfg, letters, nil)
				defer w.Close()
				ctx, cancel := context.WithTimeout(t.Context(), patient)
				defer cancel()
				err = w.Write(ctx, DeadLetter{Topic: topic, Offset: 1, Reason: "syntax", Payload: []byte("{")})
				switch {
				case c.writing && err != nil:
					t.Errorf("writing dead letters: %v", err)
				case !c.writing && (err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), letters) || !strings.Contains(err.Error(), "Authorization Failed")):
					t.Errorf("writing dead letters: %v", err)
				case err != nil:
					t.Logf("said: %v", err)
				}
			})
		}
	})
}
