package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// readLetters reads the dead letters until there are n, and returns for each the key
// (topic/partition/offset) and its headers.
func readLetters(t *testing.T, b testkafka.Broker, topic string, n int) map[string]map[string]string {
	t.Helper()
	c := b.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := map[string]map[string]string{}
	for len(out) < n && ctx.Err() == nil {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			headers := map[string]string{"payload": string(r.Value)}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			if out[string(r.Key)] != nil {
				t.Logf("%s came twice", r.Key)
			}
			out[string(r.Key)] = headers
		})
	}
	return out
}

// brokenMessages are n messages that are rejected, in turn in two partitions.
func brokenMessages(topic string, n int) (records []*kgo.Record, keys []string) {
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Key: fmt.Append(nil, "key ", i), Value: fmt.Append(nil, "{broken ", i)})
		keys = append(keys, fmt.Sprintf("%s/%d/%d", topic, i%2, i/2))
	}
	return records, keys
}

// TestLettersBeforeOwnership: what is read before the group has an owner is dead-lettered
// too, when it lives and when it is a job that ends.
func TestLettersBeforeOwnership(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		for _, untilEnd := range []bool{false, true} {
			topic, dead := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
			records, keys := brokenMessages(topic, 200)
			testkafka.Produce(t, b.Client(t), records...)
			c := parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+dead))
			if untilEnd {
				if err := Run(t.Context(), c, RunOptions{Listener: listen(t), UntilEnd: true, Results: io.Discard, Logger: testLogger(t)}); err != nil {
					t.Fatal(err)
				}
			} else {
				startRun(t, c)
			}
			letters := readLetters(t, b, dead, len(keys))
			for i, k := range keys {
				if l := letters[k]; l["reason"] != "syntax" || l["topic"] != topic || l["key"] != fmt.Sprint("key ", i) || l["payload"] != fmt.Sprint("{broken ", i) {
					t.Fatalf("until the end %v: %d letters; that of %s is %v", untilEnd, len(letters), k, l)
				}
			}
		}
	})
}

// TestLettersOfATakeOver: what is rejected while the owner goes away is written by the next
// one, and little is written twice.
func TestLettersOfATakeOver(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, dead := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
		c := parseConfig(t, runConfig(b, topic, ", session_timeout: 6s, dead_letter_topic: "+dead))
		records, keys := brokenMessages(topic, 300)
		client := b.Client(t)
		testkafka.Produce(t, client, records[:100]...)
		first := startRun(t, c)
		first.await(t, "the first to write", 30*time.Second, func(s *monitor.Snapshot) bool { return letters(s) == 100 })
		second := startRun(t, c)
		second.await(t, "the second to read", 30*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Consumed == 100 })
		first.cancel()
		testkafka.Produce(t, client, records[100:]...)
		second.await(t, "the second to take over", 30*time.Second, func(s *monitor.Snapshot) bool { return s.Exporting && s.Ledger.Consumed == 300 })
		got := readLetters(t, b, dead, len(keys))
		for _, k := range keys {
			if got[k] == nil {
				t.Fatalf("%d letters, none of %s", len(got), k)
			}
		}
	})
}

// TestLettersOfALaggingMember: one that takes over writes nothing that the owner before has written, whether
// it has read that by then or not.
func TestLettersOfALaggingMember(t *testing.T) {
	w := &brokenWriter{}
	d := newDeadLetters(w, letterOptions{}, &consumer.Consumer{}, true, testLogger(t))
	d.written = func(string, int) int64 { return 100 }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	addLetters(d, 50, 90)
	awaitTrue(t, "no letters", func() bool { return len(d.snapshot()) == 0 })
	addLetters(d, 90, 110)
	awaitTrue(t, "the letters", func() bool { return w.written() >= 10 && len(d.snapshot()) == 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := w.written(); n != 10 || w.letters[0].Offset != 100 {
		t.Errorf("%d letters were written, from %d on", n, w.letters[0].Offset)
	}
	if d.size != 0 {
		t.Errorf("%d bytes wait", d.size)
	}
}

// TestLettersThatCannotBeWritten: neither a topic that is not there nor a letter that is too
// large for it stops the lanes; what is dropped is counted.
func TestLettersThatCannotBeWritten(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		absent := startRun(t, parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+testkafka.Name(t))))
		records, _ := brokenMessages(topic, 4000)
		testkafka.Produce(t, b.Client(t), records...)
		s := absent.await(t, "all messages", 40*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Consumed == 4000 })
		if !s.Ledger.Balanced() {
			t.Errorf("%+v", s.Ledger)
		}

		topic, dead := b.CreateTopic(t, 1, nil), b.CreateTopic(t, 1, map[string]string{"max.message.bytes": "1000"})
		small := startRun(t, parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+dead)))
		large := append([]byte("{large "), bytes.Repeat([]byte("x"), 3000)...)
		testkafka.Produce(t, b.Client(t), &kgo.Record{Topic: topic, Value: []byte("{a")}, &kgo.Record{Topic: topic, Value: large}, &kgo.Record{Topic: topic, Value: []byte("{b")})
		small.await(t, "the letters", 30*time.Second, func(s *monitor.Snapshot) bool { return letters(s) == 3 })
		got := readLetters(t, b, dead, 3)
		if l := got[topic+"/0/1"]; b.Version != "fake" && (l["size"] != fmt.Sprint(len(large)) || len(l["payload"]) != smallLetter) {
			t.Errorf("the large one has %d bytes: %v", len(l["payload"]), l)
		}
	})
}

func letters(s *monitor.Snapshot) (n uint64) {
	for _, p := range s.Partitions {
		n += p.DeadLetters
	}
	return n
}

// brokenWriter stores letters, while it is not broken.
type brokenWriter struct {
	mu      sync.Mutex
	broken  bool
	letters []consumer.DeadLetter
}

func (w *brokenWriter) Write(_ context.Context, letters ...consumer.DeadLetter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errors.New("broken")
	}
	w.letters = append(w.letters, letters...)
	return nil
}

func (w *brokenWriter) Close() error { return nil }

func (w *brokenWriter) set(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

func (w *brokenWriter) written() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.letters)
}

// letterRig is a running deadLetters of an owner over a writer.
func letterRig(t *testing.T, w *brokenWriter, o letterOptions) *deadLetters {
	t.Helper()
	d := newDeadLetters(w, o, &consumer.Consumer{}, true, testLogger(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.run(ctx)
	}()
	t.Cleanup(func() {
		w.set(false)
		cancel()
		<-ended
	})
	return d
}

func addLetters(d *deadLetters, from, to int) {
	for i := from; i < to; i++ {
		d.add(consumer.DeadLetter{Topic: "p", Offset: int64(i), Reason: "syntax", Key: []byte("secret key"), Payload: []byte("secret payload")})
	}
}

func awaitTrue(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 15 s: ", what)
		}
	}
}

// TestLettersBlock: while letters cannot be written, reading waits, and nothing is lost.
func TestLettersBlock(t *testing.T) {
	w := &brokenWriter{broken: true}
	d := letterRig(t, w, letterOptions{Block: true, Redact: true})
	addLetters(d, 0, maxWaitingLetters)
	passed := make(chan struct{})
	go func() {
		d.wait(func() bool { return false })
		close(passed)
	}()
	select {
	case <-passed:
		t.Fatal("reading goes on")
	case <-time.After(slowWrite + 500*time.Millisecond):
	}
	k := newKept(t, t.TempDir(), keptConfig(""))
	k.ready, k.deadLetters = true, d
	var s monitor.Snapshot
	if k.readiness(&s); s.NotReady != "reading waits for dead letters that cannot be written: broken" {
		t.Errorf("it is not ready because of %q", s.NotReady)
	}
	w.set(false)
	<-passed
	if k.readiness(&s); s.NotReady != "" {
		t.Errorf("it is still not ready because of %q", s.NotReady)
	}
	awaitTrue(t, "all letters", func() bool { return w.written() == maxWaitingLetters })
	for i, l := range w.letters {
		if l.Offset != int64(i) || len(l.Key)+len(l.Payload) > 0 || l.Size != len("secret payload") {
			t.Fatalf("letter %d is %+v", i, l)
		}
	}
	if _, lost := d.account(partitionKey{"p", 0}); lost > 0 {
		t.Errorf("%d letters are lost", lost)
	}
}

// TestLettersDrop: while letters cannot be written, reading goes on, and what finds no room is
// counted.
func TestLettersDrop(t *testing.T) {
	w := &brokenWriter{broken: true}
	d := letterRig(t, w, letterOptions{})
	addLetters(d, 0, maxWaitingLetters)
	d.wait(func() bool { return false })
	addLetters(d, maxWaitingLetters, maxWaitingLetters+500)
	w.set(false)
	k := partitionKey{"p", 0}
	awaitTrue(t, "all letters", func() bool { written, _ := d.account(k); return written == maxWaitingLetters })
	if _, lost := d.account(k); lost != 500 || w.written() != maxWaitingLetters {
		t.Errorf("%d lost, %d written", lost, w.written())
	}
	if got := d.commitable(k, 7777); got != 7777 {
		t.Errorf("commits to %d", got)
	}
}

// TestLettersSurvive: what waits is part of the state.
func TestLettersSurvive(t *testing.T) {
	w := &brokenWriter{broken: true}
	d := letterRig(t, w, letterOptions{})
	addLetters(d, 5, 10)
	if got := d.commitable(partitionKey{"p", 0}, 10); got != 5 {
		t.Errorf("commits to %d before they are written", got)
	}
	letters, err := readLetterState(appendLetters(nil, d.snapshot()))
	if err != nil {
		t.Fatal(err)
	}
	next := &brokenWriter{}
	again := newDeadLetters(next, letterOptions{}, &consumer.Consumer{}, true, testLogger(t))
	again.restore(letters)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := again.run(ctx); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(d.snapshot(), next.letters); d != "" || len(next.letters) != 5 {
		t.Error(d)
	}
}

func FuzzReadLetters(f *testing.F) {
	f.Add(appendLetters(nil, []consumer.DeadLetter{{Topic: "t", Partition: 1, Offset: 2, Reason: "syntax", Key: []byte("k"), Payload: []byte("p"), Size: 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		letters, err := readLetterState(b)
		if err != nil {
			return
		}
		if again, err := readLetterState(appendLetters(nil, letters)); err != nil || !cmp.Equal(letters, again, cmpopts.EquateEmpty()) {
			t.Errorf("%v, %v", again, err)
		}
	})
}

// TestLetterFile writes more than two files have room for: what is there is whole lines, the
// newest, and no more than the limit. A full disk leaves no half line.
// TestLargeKeys: keys are cut, and count as payloads do.
func TestLargeKeys(t *testing.T) {
	w := &brokenWriter{broken: true}
	d := letterRig(t, w, letterOptions{Block: true})
	key, payload := bytes.Repeat([]byte("k"), 900_000), bytes.Repeat([]byte("p"), 900_000)
	n := 0
	for ; !d.full() && n < maxWaitingLetters; n++ {
		d.add(consumer.DeadLetter{Topic: "p", Offset: int64(n), Reason: "syntax", Key: key, Payload: payload})
	}
	d.mu.Lock()
	size := 0
	for i := range d.waiting {
		size += len(d.waiting[i].Key) + len(d.waiting[i].Payload)
	}
	d.mu.Unlock()
	if most := maxHeldBytes + maxLetterKey + consumer.MaxDeadLetter; n == maxWaitingLetters || size > most {
		t.Errorf("%d letters of %d bytes wait, at most %d bytes are to", n, size, most)
	}
}

// TestLetterFileOfOthers: a line that a crash has cut spoils no other, and a file that is rotated away by others is made anew.
func TestLetterFileOfOthers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rejected.jsonl")
	if err := os.WriteFile(name, []byte("{\"offset\":1}\n{\"offs"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newLetterFile(name, 1<<20)
	defer f.Close()
	write := func(offset int64) {
		if err := f.Write(t.Context(), consumer.DeadLetter{Topic: "p", Offset: offset, Reason: "syntax"}); err != nil {
			t.Fatal(err)
		}
	}
	write(2)
	if err := os.Rename(name, name+".moved"); err != nil {
		t.Fatal(err)
	}
	write(3)
	for file, want := range map[string][]int64{name + ".moved": {1, 2}, name: {3}} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for line := range bytes.Lines(data) {
			var l letterLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%s: %q: %v", file, line, err)
			}
			got = append(got, l.Offset)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", file, got, want)
		}
	}
}

func TestLetterFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rejected.jsonl")
	const limit = 1 << 20
	f := newLetterFile(name, limit)
	defer f.Close()
	for i := range 400 {
		payload := bytes.Repeat([]byte{'x'}, 10*i)
		if i%2 == 1 {
			payload = bytes.Repeat([]byte{0xff}, 10*i)
		}
		err := f.Write(t.Context(), consumer.DeadLetter{Topic: "p", Partition: 1, Offset: int64(2 * i), Reason: "syntax", Payload: payload, Size: 10 * i},
			consumer.DeadLetter{Topic: "p", Partition: 1, Offset: int64(2*i + 1), Reason: "a\"b\n", Key: []byte("k")})
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []byte
	for _, n := range []string{name + ".1", name} {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	if len(all) > limit || len(all) < limit/2 {
		t.Errorf("the files have %d bytes", len(all))
	}
	lines := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		var l letterLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if want := int64(800 - len(lines) + i); l.Offset != want || l.Topic != "p" || l.Partition != 1 {
			t.Fatalf("line %d is %+v, want offset %d", i, l, want)
		}
		if size := max(len(l.Payload), len(l.PayloadBase64)); size != l.Size {
			t.Fatalf("a payload of %d bytes, want %d", size, l.Size)
		}
	}
}
