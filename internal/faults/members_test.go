package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

const (
	session = 6 * time.Second // the shortest that the config takes
	// takeoverLimit is the documented bound of a takeover: the session, the heartbeat by which the
	// standby learns of it (a fifth of the session), a publication (1 s); and a second for a busy machine.
	takeoverLimit = session + session/5 + time.Second + time.Second
)

// members are two members of one consumer group, with a state and results each. Their dead letters
// go to one topic.
type members struct {
	*stage
	dead string
	all  [2]*member
}

// takeovers are how long those of all tests took.
var takeovers struct {
	mu   sync.Mutex
	took []time.Duration
}

func tookOver(t *testing.T, took time.Duration) {
	takeovers.mu.Lock()
	defer takeovers.mu.Unlock()
	all := append(takeovers.took, took)
	slices.Sort(all)
	takeovers.took = all
	t.Logf("a takeover after %s; of %d so far: %s (median), %s (longest)", took, len(all), all[len(all)/2], all[len(all)-1])
}

// member is one of them; its name is its client id.
type member struct {
	*program
	name, results string
	args          []string
}

func newMembers(t *testing.T, b testkafka.Broker, seed uint64) *members {
	t.Helper()
	m := &members{stage: newStage(t, b, seed, 50*time.Millisecond), dead: b.CreateTopic(t, 1, nil)}
	for i, name := range []string{"one", "two"} {
		results := filepath.Join(m.dir, name+".jsonl")
		more := fmt.Sprintf(", session_timeout: %s, client_id: %s, dead_letter_topic: %s", session, name, m.dead)
		m.all[i] = &member{name: name, results: results, args: []string{"--config.file=" + m.config(t, name, "state-"+name, more), "--results=" + results}}
	}
	return m
}

// start starts a member and waits until the group has n.
func (m *members) start(t *testing.T, one *member, n int) {
	t.Helper()
	one.program = run(t, nil, one.args...)
	one.awaitReady(t, 20*time.Second)
	m.awaitMembers(t, n)
}

// startBoth starts the first, which exports, and then its standby.
func (m *members) startBoth(t *testing.T) (exporting, standby *member) {
	t.Helper()
	exporting, standby = m.all[0], m.all[1]
	m.produce(t.Context(), t, 2000)
	m.start(t, exporting, 1)
	await(t, 20*time.Second, "exporting", exporting.exports)
	m.start(t, standby, 2)
	if ci || long { // else it is disturbed before, too
		await(t, 20*time.Second, "commit", func() bool { return len(m.committed(t)) > 0 })
	}
	return exporting, standby
}

// awaitMembers waits until the group has n members and no rebalance is under way.
func (m *members) awaitMembers(t *testing.T, n int) {
	t.Helper()
	await(t, 30*time.Second, fmt.Sprintf("group of %d", n), func() bool {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{m.predictions}
		res, err := req.RequestWith(t.Context(), m.client)
		return err == nil && len(res.Groups) == 1 && res.Groups[0].State == "Stable" && len(res.Groups[0].Members) == n
	})
}

// exports reports whether the member serves the models' figures. It must say so itself, too.
func (p *program) exports() bool {
	_, page := p.get("/metrics")
	says, _ := metricOf(page, "streammon_exporting", "")
	_, has := metricOf(page, "streammon_window_events", `model="m0"`)
	return says == 1 && has
}

// figures are the lines of a page of metrics that are about a model's windows.
func figures(page string) (lines []string) {
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, `window="`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// takeover waits until the standby exports, and notes how long that took.
func (m *members) takeover(t *testing.T, standby *member, disturbed time.Time) {
	t.Helper()
	await(t, 4*session, "takeover", standby.exports)
	took := time.Since(disturbed)
	tookOver(t, took)
	if took > takeoverLimit {
		t.Errorf("the takeover took %s, more than %s", took, takeoverLimit)
	}
}

// committed returns the offsets that the group has committed, by topic/partition.
func (m *members) committed(t *testing.T) map[string]int64 {
	t.Helper()
	req, group := kmsg.NewPtrOffsetFetchRequest(), kmsg.NewOffsetFetchRequestGroup()
	group.Group = m.predictions // no topics: all
	req.Groups = append(req.Groups, group)
	res, err := req.RequestWith(t.Context(), m.client)
	if err != nil || len(res.Groups) != 1 {
		t.Fatalf("fetch committed offsets: %v, %d groups", err, len(res.Groups))
	}
	out := map[string]int64{}
	for _, topic := range res.Groups[0].Topics {
		for _, p := range topic.Partitions {
			out[fmt.Sprintf("%s/%d", topic.Topic, p.Partition)] = p.Offset
		}
	}
	return out
}

// letters returns the keys of all dead letters, in the order in which they were written. A key is
// topic/partition/offset.
func (m *members) letters(t *testing.T) (keys []string) {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	partition.Timestamp = -1 // the end
	topic.Topic, topic.Partitions = m.dead, append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	res, err := req.RequestWith(ctx, m.client)
	if err != nil {
		t.Fatal(err)
	}
	end := res.Topics[0].Partitions[0].Offset
	m.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{m.dead: {0: kgo.NewOffset().AtStart()}})
	defer m.client.RemoveConsumePartitions(map[string][]int32{m.dead: {0}})
	for int64(len(keys)) < end {
		fetches := m.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { keys = append(keys, string(r.Key)) })
	}
	return keys
}

// again returns the letters that were written after the first n, and before, too.
func again(letters []string, n int) (keys []string) {
	for i := n; i < len(letters); i++ {
		if slices.Contains(letters[:i], letters[i]) {
			keys = append(keys, letters[i])
		}
	}
	return keys
}

// checkAgain fails if a letter was written again that its owner had committed: what is written
// twice in a takeover is what the owner wrote after its last commit.
func (m *members) checkAgain(t *testing.T, n int, committed map[string]int64) {
	t.Helper()
	twice := again(m.letters(t), n)
	for _, key := range twice {
		cut := strings.LastIndexByte(key, '/')
		if offset, err := strconv.ParseInt(key[cut+1:], 10, 64); err != nil || offset < committed[key[:cut]] {
			t.Errorf("dead letter %s was written again, and %d was committed", key, committed[key[:cut]])
		}
	}
	t.Logf("%d dead letters were written again", len(twice))
}

// disturbance is a state of things before one, to compare with.
type disturbance struct {
	at        time.Time
	committed map[string]int64
	letters   int
}

// disturb does something to the member that exports, at once, so that no commit comes between.
func (m *members) disturb(t *testing.T, f func()) disturbance {
	t.Helper()
	f()
	return disturbance{time.Now(), m.committed(t), len(m.letters(t))}
}

// watch looks at members again and again until the function that it returns is called, and fails if two
// export at a time: one before and after the other was seen to.
func watch(t *testing.T, a, b *program) (stop func()) {
	var wg sync.WaitGroup
	var stopped atomic.Bool
	wg.Go(func() {
		before := a.exports()
		for !stopped.Load() {
			between := b.exports()
			after := a.exports()
			if before && between && after {
				t.Error("two members export at a time")
				return
			}
			before = after
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() {
		stopped.Store(true)
		wg.Wait()
	}
}

// finish ends both members, reads what is left, and compares the results of both, and the dead
// letters, with the undisturbed run.
func (m *members) finish(t *testing.T) {
	t.Helper()
	for _, one := range m.all {
		if !one.ended() {
			one.terminate(t)
		}
	}
	for _, one := range m.all {
		if err := run(t, nil, append(one.args, "--until-end")...).wait(t, time.Minute); err != nil {
			t.Fatalf("the last run of %s: %v", one.name, err)
		}
	}
	want := m.undisturbed(t)
	for _, one := range m.all {
		compareFiles(t, want, one.results)
	}
	letters := m.letters(t)
	slices.Sort(letters)
	if got, want := len(slices.Compact(letters)), rejected(t, want); got != want || want == 0 {
		t.Errorf("%d messages have a dead letter, %d were rejected", got, want)
	}
	t.Logf("%d events", m.written)
}

// rejected returns how many messages the ledger of results says were rejected.
func rejected(t *testing.T, results string) (sum int) {
	t.Helper()
	for _, n := range ledgerOf(t, results).Rejected {
		sum += n
	}
	return sum
}

// pauseAtRandom gives the disturbance another moment within commits, saves and heartbeats.
func pauseAtRandom(random *rand.Rand) {
	time.Sleep(time.Duration(500+random.IntN(2000)) * time.Millisecond)
}

// TestMemberKilled: the standby takes over from a member that is killed, which comes back as the
// standby of it.
func TestMemberKilled(t *testing.T) {
	t.Parallel()
	eachSetting(t, long, func(t *testing.T, b testkafka.Broker, random *rand.Rand) {
		m := newMembers(t, b, random.Uint64())
		exporting, standby := m.startBoth(t)
		m.during(t, func() {
			pauseAtRandom(random)
			d := m.disturb(t, func() { exporting.kill(t) })
			m.takeover(t, standby, d.at)
			m.checkAgain(t, d.letters, d.committed)
			m.start(t, exporting, 2)
			if exporting.exports() || !standby.exports() {
				t.Error("the member that came back exports")
			}
		})
		m.finish(t)
	})
}

// eachSetting runs f with the embedded broker, 20 times in the long setting, and with the real ones
// if it is to be.
func eachSetting(t *testing.T, real bool, f func(t *testing.T, b testkafka.Broker, random *rand.Rand)) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	seeded := func(t *testing.T, b testkafka.Broker, seed uint64) {
		t.Logf("seed %d", seed)
		f(t, b, rand.New(rand.NewPCG(seed, 5)))
	}
	n := 1
	if long {
		n = 20
	}
	for seed := range n {
		t.Run(fmt.Sprintf("kfake-%d", seed), func(t *testing.T) {
			_, b := testkafka.Fake(t)
			seeded(t, b, uint64(seed))
		})
	}
	if real && (ci || long) {
		t.Run("real", func(t *testing.T) {
			testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
				t.Parallel() // they wait most of the time
				seeded(t, b, 100)
			})
		})
	}
}

// queuedScrapes asks a stopped program for its metrics in every format: to answer is the first that
// it does when it goes on. The function that it returns reads them.
func queuedScrapes(t *testing.T, p *program) (pages func() []string) {
	t.Helper()
	var conns []net.Conn
	for i := range 12 {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		accept := []string{"text/plain", "application/openmetrics-text;version=1.0.0", "application/openmetrics-text;version=0.0.1"}[i%3]
		if _, err := fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nConnection: close\r\n\r\n", accept); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return func() (out []string) {
		for _, c := range conns {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			b, err := io.ReadAll(c)
			c.Close()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		}
		return out
	}
}

// TestMemberStopped: the standby takes over from a member that is stopped past its session. When that
// goes on it exports nothing from its first answer on, writes and commits nothing, and becomes the standby, which
// takes over when the other member is killed in turn.
func TestMemberStopped(t *testing.T) {
	if !ci && !long {
		t.Skip("takes half a minute: set CI=1")
	}
	t.Parallel()
	eachSetting(t, true, func(t *testing.T, b testkafka.Broker, random *rand.Rand) {
		m := newMembers(t, b, random.Uint64())
		zombie, owner := m.startBoth(t)
		m.during(t, func() {
			pauseAtRandom(random)
			d := m.disturb(t, func() { _ = zombie.cmd.Process.Signal(syscall.SIGSTOP) })
			m.takeover(t, owner, d.at)
			m.checkAgain(t, d.letters, d.committed)
			pauseAtRandom(random)
			n := len(m.letters(t))
			m.wake(t, zombie)
			stop := watch(t, zombie.program, owner.program)
			m.awaitMembers(t, 2)
			pauseAtRandom(random)
			stop()
			if !owner.exports() {
				t.Error("the zombie has taken the group back")
			}
			if keys := again(m.letters(t), n); len(keys) > 0 {
				t.Errorf("the zombie has written dead letters again: %q", keys)
			}
			d = m.disturb(t, func() { owner.kill(t) })
			m.takeover(t, zombie, d.at)
			m.checkAgain(t, d.letters, d.committed)
		})
		m.finish(t)
	})
}

// wake lets a stopped member go on, with scrapes that have waited for it.
func (m *members) wake(t *testing.T, zombie *member) {
	t.Helper()
	pages := queuedScrapes(t, zombie.program)
	_ = zombie.cmd.Process.Signal(syscall.SIGCONT)
	for i, page := range pages() {
		if lines := figures(page); len(lines) > 0 || !strings.Contains(page, "streammon_exporting 0") {
			t.Errorf("scrape %d of a member that was stopped past its session has %d figures of models, such as %q", i, len(lines), lines[:min(1, len(lines))])
		}
	}
}

// TestMemberParted: the exporting member loses its broker past its session, the other does not.
func TestMemberParted(t *testing.T) {
	if !ci && !long {
		t.Skip("takes half a minute: set CI=1")
	}
	t.Parallel()
	_, b, proxy, direct := proxied(t)
	b.Bootstrap = []string{*proxy.backend.Load()} // of the test; the members are told of the proxy
	m := newMembers(t, b, 7)
	m.client = direct()
	parted, owner := m.startBoth(t)
	m.during(t, func() {
		stop := watch(t, parted.program, owner.program)
		d := m.disturb(t, func() { proxy.part(parted.name) })
		m.takeover(t, owner, d.at)
		m.checkAgain(t, d.letters, d.committed)
		time.Sleep(session / 2)
		n := len(m.letters(t))
		proxy.part("")
		m.awaitMembers(t, 2)
		read := consumed(owner.program)
		await(t, 30*time.Second, "catching up", func() bool { return consumed(parted.program) >= read })
		stop()
		if parted.exports() || !owner.exports() {
			t.Error("the member has taken the group back")
		}
		if keys := again(m.letters(t), n); len(keys) > 0 {
			t.Errorf("dead letters were written again: %q", keys)
		}
		d = m.disturb(t, func() { owner.kill(t) })
		m.takeover(t, parted, d.at)
		m.checkAgain(t, d.letters, d.committed)
	})
	m.finish(t)
}

// TestMembersKilled: both are killed and come back in the other order, one with an older state.
func TestMembersKilled(t *testing.T) {
	if !ci && !long {
		t.Skip("takes half a minute: set CI=1")
	}
	t.Parallel()
	_, b := testkafka.Fake(t)
	m := newMembers(t, b, 8)
	one, two := m.startBoth(t)
	state, older := filepath.Join(m.dir, "state-two"), filepath.Join(m.dir, "older")
	m.during(t, func() {
		await(t, 20*time.Second, "a save", func() bool { n, _ := two.metric("streammon_state_saves_total", ""); return n > 0 })
		two.kill(t)
		if err := os.CopyFS(older, os.DirFS(state)); err != nil {
			t.Fatal(err)
		}
		m.start(t, two, 2)
		time.Sleep(3 * time.Second)
		d := m.disturb(t, func() { one.kill(t); two.kill(t) })
		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(older, state); err != nil {
			t.Fatal(err)
		}
		two.program = run(t, nil, two.args...)
		one.program = run(t, nil, one.args...)
		await(t, 4*session, "an exporting member", func() bool { return one.exports() || two.exports() })
		m.awaitMembers(t, 2)
		if one.exports() == two.exports() {
			t.Error("not one member exports")
		}
		m.checkAgain(t, d.letters, d.committed)
	})
	m.finish(t)
}
