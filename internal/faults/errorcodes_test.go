package faults

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// errorLevels are where errors stand in the answers to what the program asks.
var errorLevels = []struct {
	key  kmsg.Key
	path string
}{
	{kmsg.ApiVersions, "ErrorCode"},
	{kmsg.Metadata, "Topics.ErrorCode"},
	{kmsg.Metadata, "Topics.Partitions.ErrorCode"},
	{kmsg.ListOffsets, "Topics.Partitions.ErrorCode"},
	{kmsg.Fetch, "ErrorCode"},
	{kmsg.Fetch, "Topics.Partitions.ErrorCode"},
	{kmsg.FindCoordinator, "ErrorCode"},
	{kmsg.JoinGroup, "ErrorCode"},
	{kmsg.SyncGroup, "ErrorCode"},
	{kmsg.Heartbeat, "ErrorCode"},
	{kmsg.LeaveGroup, "ErrorCode"},
	{kmsg.OffsetFetch, "Topics.Partitions.ErrorCode"},
	{kmsg.OffsetCommit, "Topics.Partitions.ErrorCode"},
	{kmsg.Produce, "Topics.Partitions.ErrorCode"},
}

// weather is a random schedule of errors. The answers, which the meddler judges one at a time, draw lots of their own.
type weather struct {
	random *rand.Rand
	lots   *rand.Rand
	codes  []int16
	struck map[string]int // answers, by what was done to them
}

func newWeather(seed uint64) *weather {
	w := &weather{random: rand.New(rand.NewPCG(seed, 7)), lots: rand.New(rand.NewPCG(seed, 8)), codes: []int16{-1, 9999}, struck: map[string]int{}}
	for c := int16(1); c < 1000; c++ {
		if kerr.TypedErrorForCode(c) != kerr.UnknownServerError {
			w.codes = append(w.codes, c)
		}
	}
	return w
}

// next returns what is done to the answers for the next while: some have errors, at one to three
// levels; now and then one is cut off, is that of another request, or never comes.
func (w *weather) next() func(*testkafka.Answer) {
	type rule struct {
		key  kmsg.Key
		path string
		code int16
		odds float64
	}
	var rules []rule
	for range 1 + w.random.IntN(3) {
		l := errorLevels[w.random.IntN(len(errorLevels))]
		rules = append(rules, rule{l.key, l.path, w.codes[w.random.IntN(len(w.codes))], w.random.Float64()})
	}
	if w.random.IntN(2) == 0 { // so that the group is asked for all else
		rules = append(rules, rule{kmsg.Heartbeat, "ErrorCode", kerr.RebalanceInProgress.Code, 1})
	}
	return func(a *testkafka.Answer) {
		if a.Client != "streammon" {
			return
		}
		for _, r := range rules {
			if a.Key() == r.key && w.lots.Float64() < r.odds {
				a.Fail(r.path, "", r.code)
				w.struck[r.key.Name()]++
			}
		}
		switch w.lots.IntN(300) {
		case 0:
			a.Frame, a.Close = a.Frame[:w.lots.IntN(len(a.Frame))], true
			w.struck["cut off"]++
		case 1:
			a.Frame[7] ^= 0x10
			w.struck["of another request"]++
		case 2:
			if w.lots.IntN(4) == 0 {
				a.Frame = nil
				w.struck["never came"]++
			}
		}
	}
}

// TestErrorCodes answers the program with random error codes, at random levels of all that it asks,
// while events flow. It goes on when that ends, says little, asks little, and its results are
// those of a run that was never disturbed.
func TestErrorCodes(t *testing.T) {
	lasts, seed := 3*time.Second, uint64(41)
	switch {
	case long:
		lasts = 2 * time.Minute
	case ci:
		lasts = 8 * time.Second
	}
	_, b, meddler := testkafka.Meddled(t)
	s := newStage(t, b, seed, 50*time.Millisecond)
	dead := b.CreateTopic(t, 1, nil)
	results := filepath.Join(s.dir, "results.jsonl")
	args := []string{"--config.file=" + s.config(t, "run", "state", ", session_timeout: 6s, dead_letter_topic: "+dead), "--results=" + results}
	p := run(t, nil, args...)
	s.produce(t.Context(), t, 2_000)
	p.awaitReady(t, 20*time.Second)
	s.awaitAll(t, p, 0, 20*time.Second)
	goroutines, _ := p.metric("go_goroutines", "")

	w := newWeather(seed)
	said, before, began := len(p.log.String()), meddler.Counts(), time.Now()
	s.during(t, func() {
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			meddler.Set(w.next())
			if w.random.IntN(40) == 0 { // a join that waits leaves a member behind that others wait for
				meddler.Break("streammon")
			}
			time.Sleep(time.Duration(20+w.random.IntN(600)) * time.Millisecond)
		}
	})
	meddler.Set(nil)
	took := s.awaitAll(t, p, 0, 30*time.Second)
	during := time.Since(began)
	lines := strings.Count(p.log.String()[said:], "\n")
	t.Logf("seed %d: %d answers changed in %v: %v; recovered after %v, %d lines", seed, sum(w.struck), lasts, w.struck, took, lines)
	if limit := 100 + int(during.Seconds()*20); lines > limit {
		t.Errorf("%d lines were logged:\n%s", lines, tail(p.log.String()))
	}
	for key, n := range meddler.Counts() {
		if n -= before[key]; n > 100+int(during.Seconds()*100) {
			t.Errorf("%d requests of %s in %v", n, key.Name(), during)
		}
	}
	awaitLetters(t, p, b, dead)
	await(t, 20*time.Second, "goroutines as before", func() bool {
		n, _ := p.metric("go_goroutines", "")
		return n <= goroutines+8
	})
	s.finish(t, p, args, results)
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// awaitLetters waits until all rejected messages are dead letters, but for those that the topic would not
// take, and looks for them there.
func awaitLetters(t *testing.T, p *program, b testkafka.Broker, topic string) {
	t.Helper()
	var written, dropped, rejected float64
	await(t, 20*time.Second, "dead letters of all rejected messages", func() bool {
		_, page := p.get("/metrics")
		written, _ = metricOf(page, "streammon_dead_letters_total", "")
		dropped, _ = metricOf(page, "streammon_dead_letters_dropped_total", "")
		rejected, _ = metricOf(page, "streammon_rejected_messages_total", "")
		return rejected > 0 && written+dropped == rejected
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := b.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	keys, stored := map[string]bool{}, 0
	for len(keys) < int(written) && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			keys[string(r.Key)] = true
			stored++
		})
	}
	t.Logf("%g rejected messages: %g written, %g dropped; the topic holds %d in %d letters", rejected, written, dropped, len(keys), stored)
	if len(keys) < int(written) {
		t.Errorf("%d dead letters are there", len(keys))
	}
}
