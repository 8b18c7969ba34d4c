package faults

import (
	"bytes"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// persons make messages on people: each value says whose it is, and one person is in every tenth.
type persons struct {
	canary          *canary
	address, number string // what all e-mail addresses and card numbers have in common
}

func newPersons(t *testing.T) persons {
	p := persons{address: "canary." + rand.Text() + "@example.org", number: fmt.Sprintf("4929%024d", mathrand.Uint64())}
	p.canary = &canary{dir: t.TempDir(), secrets: map[string]string{"e-mail address": p.address, "card number": p.number}}
	return p
}

// personsMessages is how many messages the reference is made from, and how many are read.
const personsMessages = 5_000

// person is who message i is on: one of 1,000, some more often than others, or the one who is in every tenth. Those after
// the reference's are on a tenth of them, and on others.
func (persons) person(i int) int {
	switch {
	case i%10 == 0:
		return 0
	case i < personsMessages:
		return (i * 7919 % 1000) * (i * 104729 % 1000) / 1000
	}
	return i%100 + i%3*1000
}

func (p persons) email(i int) string {
	return fmt.Sprintf("%03d.%s", p.person(i), p.address)
}

func (p persons) card(i int) string {
	return fmt.Sprintf("%03d-%s", p.person(i), p.number)
}

// message has values wherever an event has some: also as an id, a class, and the key of what no config lists.
func (p persons) message(i int) []byte {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * 250 * time.Millisecond)
	b := fmt.Appendf(nil, `{"id":"%d-%s","time":%d,"model":"m","version":"1","latency_ms":5,"prediction":{"score":0.5,"label":"%s"},"segments":{"email":"%s"},"features":{"email":"%s","card":"%s","amount":%d,"%s":1}}`,
		i, p.email(i), at.UnixMilli(), p.email(i), p.email(i), p.email(i), p.card(i), i%50, p.email(i))
	switch {
	case i%97 == 96: // broken within a value
		b = b[:bytes.LastIndex(b, []byte("@"))+1]
	case i%97 == 95: // a number that is none
		b = bytes.Replace(b, []byte(`"amount":`), fmt.Appendf(nil, `"amount":"%s","other":`, p.card(i)), 1)
	case i%97 == 94: // a time that is none
		b = bytes.Replace(b, []byte(`"time":`), fmt.Appendf(nil, `"time":"%s","other":`, p.email(i)), 1)
	case i%97 == 93: // a model that is none
		b = bytes.Replace(b, []byte(`"model":"m"`), fmt.Appendf(nil, `"model":"%s"`, p.email(i)), 1)
	}
	return b
}

// personsConfig has a segmentation and features of more values than may be shown.
const personsConfig = `kafka: {brokers: ["%s"], group: %s, start: earliest}
windows: [1m]
deduplicate: 1m
state: {dir: %s, save_interval: 1s}
dead_letters: {file: %s, redact: true}
models:
  - name: m
    topics: {predictions: p}
    reference: own.profile.json
    task: multiclass
    features: {email: categorical, card: categorical, amount: numeric}
    segments: [%s]
`

// TestValuesStayInside has messages on people, and looks for their e-mail addresses and card numbers in all that the program says and writes: a field with
// many values is shown by none of them. Only a segment's value that the config lists is.
func TestValuesStayInside(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const messages = personsMessages
	s := newPersons(t)
	c := s.canary
	_, b := testkafka.Fake(t)
	b.CreateNamed(t, "p", 1, nil)
	client := b.Client(t)
	var rows bytes.Buffer
	var records []*kgo.Record
	for i := range messages {
		rows.Write(append(s.message(i), '\n'))
		records = append(records, &kgo.Record{Topic: "p", Key: []byte(s.email(i)), Value: s.message(i + messages)})
	}
	testkafka.Produce(t, client, records...)

	state := filepath.Join(t.TempDir(), "state")
	config := func(name, segment string) string {
		return c.write(t, name+".yaml", fmt.Sprintf(personsConfig, b.Bootstrap[0], name, state, filepath.Join(c.dir, name+".letters.jsonl"), segment))
	}
	secret, input, reference := config("secret", "email"), c.write(t, "rows.jsonl", rows.String()), filepath.Join(c.dir, "own.profile.json")
	if said := c.command(t, nil, "profile", "build", "--config.file="+secret, "--input="+input, "--output="+reference); !strings.Contains(said, "fingerprint") {
		t.Fatalf("no reference: %s", said)
	}
	c.command(t, nil, "profile", "show", reference)
	c.command(t, nil, "profile", "diff", reference, reference)
	c.command(t, nil, "check", secret)
	c.command(t, nil, "replay", "--config.file="+secret, "--input="+input, "--json="+filepath.Join(c.dir, "replayed.jsonl"))
	s.run(t, secret, messages)
	for _, do := range []string{"show", "verify"} {
		c.command(t, nil, "state", do, state)
	}
	c.folder(t)
	for _, name := range []string{"replayed.jsonl", "secret.jsonl", "secret.letters.jsonl"} {
		if file, err := os.Stat(filepath.Join(c.dir, name)); err != nil || file.Size() < 10_000 {
			t.Errorf("%s is no test: %v", name, err)
		}
	}
	results, err := os.ReadFile(filepath.Join(c.dir, "secret.jsonl"))
	if err != nil || !bytes.Contains(results, []byte(`"moved":{`)) || !bytes.Contains(results, []byte(`"unseen":true`)) {
		t.Errorf("nothing has moved, so that no category would be named: %v", err)
	}
	t.Logf("looked at %d texts", c.looked)

	// What the config lists is meant to be seen, and is.
	c.secrets = nil
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	page := s.run(t, config("listed", `{name: email, values: ["`+s.email(0)+`"]}`), messages)
	if results, err = os.ReadFile(filepath.Join(c.dir, "listed.jsonl")); err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the page of metrics": page, "the file of results": string(results)} {
		if !strings.Contains(text, `"email=`+s.email(0)) || strings.Contains(text, s.email(1)) {
			t.Errorf("%s does not have just the value that is listed", where)
		}
	}
}

// run reads all messages and looks at all pages and the log; it returns the page of metrics.
func (s persons) run(t *testing.T, config string, messages int) (page string) {
	t.Helper()
	name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(config), ".yaml"), "own.")
	p := run(t, nil, "--config.file="+config, "--log.level=debug", "--results="+filepath.Join(s.canary.dir, name+".jsonl"))
	p.awaitReady(t, 20*time.Second)
	await(t, 20*time.Second, "all messages, their figures, and saves", func() bool {
		_, page = p.get("/metrics")
		events, _ := metricOf(page, "streammon_window_events", `segment=""`)
		saves, _ := metricOf(page, "streammon_state_saves_total", "")
		return int(consumed(p)) == messages && events > 0 && saves >= 2
	})
	if unseen, ok := metricOf(page, "streammon_feature_unseen_ratio", `feature="email"`); !ok {
		t.Errorf("no figures of the feature: %g", unseen)
	}
	s.canary.pages(t, p)
	p.terminate(t)
	s.canary.look(t, "the log", p.log.String())
	return page
}
