package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// membership takes part in the consumer group, for nothing but the question who
// owns it. The data are read whatever happens here.
type membership struct {
	cfg     *Config
	log     *slog.Logger
	cluster *cluster
	exist   chan []string // the topics, once there are some
	unknown backoff       // while heartbeats say that the member is not known

	mu          sync.Mutex
	running     bool
	owns        bool           // by the last generation
	told        bool           // the ownership that was logged last
	counts      map[string]int // partitions of the topics that are being read
	claim       int32          // the generation that made us the owner; 0: we are not
	beat        time.Time      // when the last heartbeat that succeeded was sent
	offsets     offsets
	floor       offsets // what the group had committed when this member became the owner
	dirty       bool
	uncommitted int // commits that failed in a row
	current     *kafka.Generation
	problem     string   // what keeps us out of the group; "" if nothing does
	said        []string // the troubles that were logged since the last heartbeat that succeeded
}

// offsets are those of partitions, by topic.
type offsets map[string]map[int]int64

func (o offsets) set(topic string, partition int, offset int64) {
	if o[topic] == nil {
		o[topic] = map[int]int64{}
	}
	o[topic][partition] = offset
}

func newMembership(cfg *Config) *membership {
	return &membership{
		cfg: cfg, log: cfg.Logger.With("group", cfg.Group), exist: make(chan []string, 1),
		offsets: offsets{},
	}
}

// start joins the group as soon as topics exist. The function that it returns makes
// the last commit and leaves, within leaveTimeout or so; then the connections are closed.
func (m *membership) start(ctx context.Context, c *cluster) (leave func()) {
	m.cluster = c
	m.setRunning(true)
	// Not ctx itself: the group is left after the last batch.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	if m.cfg.Group != "" {
		wg.Go(func() { m.run(ctx) })
	}
	return func() {
		cancel()
		timer := time.AfterFunc(leaveTimeout, c.close)
		defer timer.Stop()
		wg.Wait()
		m.setRunning(false)
	}
}

func (m *membership) setRunning(running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = running
}

// topicsExist tells the topics that are there, with the numbers of their partitions, and lets the
// membership begin: in a group that is joined before its topics exist nobody ever owns anything.
func (m *membership) topicsExist(counts map[string]int) {
	if len(counts) == 0 {
		return
	}
	m.mu.Lock()
	m.counts = maps.Clone(counts)
	m.mu.Unlock()
	select {
	case m.exist <- slices.Sorted(maps.Keys(counts)):
	default:
	}
}

func (m *membership) owner() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.Group == "" {
		return m.running
	}
	return m.running && m.owns && time.Since(m.beat) < m.cfg.SessionTimeout
}

func (m *membership) run(ctx context.Context) {
	var topics []string
	select {
	case topics = <-m.exist:
	case <-ctx.Done():
		return
	}
	group, err := m.join(topics)
	if err != nil {
		m.trouble("cannot join the consumer group", err)
		return
	}
	var retry backoff
	for {
		gen, err := group.Next(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if !errors.Is(err, kafka.RebalanceInProgress) || retry.failures > usualRebalances {
				m.trouble("cannot join the consumer group, retrying", err)
			}
			pause(ctx, min(retry.delay(), maxRejoin)) // the library does not, while it is told to join again
			continue
		}
		retry.reset()
		m.begin(gen)
	}
	m.flush()
	group.Close()
	m.end()
}

const (
	// usualRebalances is how often in a row a member may be told to join again until that is trouble.
	usualRebalances = 5
	// maxRejoin is how long it waits at most before it tries again.
	maxRejoin = time.Second
	// maxSaid is how many troubles in a row are logged: the first may be a mere consequence.
	maxSaid = 3
)

// trouble notes what keeps us out of the group, and logs the first few that differ; nil ends it.
func (m *membership) trouble(what string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.problem, m.said = "", nil
		return
	}
	if len(m.said) < maxSaid && !slices.Contains(m.said, err.Error()) {
		m.said = append(m.said, err.Error())
		m.log.Warn(what, "err", err)
	}
	m.problem = fmt.Sprintf("consumer group %q: %v", m.cfg.Group, err)
}

// troubles returns what keeps us out of the group.
func (m *membership) troubles() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.problem
}

func (m *membership) join(topics []string) (*kafka.ConsumerGroup, error) {
	return kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: m.cfg.Group, Brokers: m.cfg.Brokers, Dialer: m.cluster.dialer, Topics: topics,
		GroupBalancers:    []kafka.GroupBalancer{ownerBalancer{m}},
		HeartbeatInterval: m.cfg.HeartbeatInterval, SessionTimeout: m.cfg.SessionTimeout,
		RebalanceTimeout: m.cfg.SessionTimeout, JoinGroupBackoff: 200 * time.Millisecond, Timeout: dialTimeout,
	})
}

// begin takes up a generation: its assignment says who owns the group.
func (m *membership) begin(gen *kafka.Generation) {
	owns := false
	for _, partitions := range gen.Assignments {
		owns = owns || len(partitions) > 0
	}
	m.mu.Lock()
	if owns != m.told {
		m.told = owns
		m.log.Info("group ownership changed", "owner", owns, "generation", gen.ID)
	}
	if owns && !m.owns {
		m.floor = committedBefore(gen)
	}
	if owns && !m.owns || gen.ID < m.claim {
		m.claim = gen.ID
	}
	if !owns {
		m.claim = 0
	}
	m.owns, m.current = owns, gen
	m.mu.Unlock()
	gen.Start(func(ctx context.Context) { m.heartbeats(ctx, gen) })
	gen.Start(m.commits)
}

// committedBefore returns what the owners before the generation have committed: they cannot
// commit any more.
func committedBefore(gen *kafka.Generation) offsets {
	out := offsets{}
	for topic, partitions := range gen.Assignments {
		for _, p := range partitions {
			if p.Offset > 0 { // negative: none
				out.set(topic, p.ID, p.Offset)
			}
		}
	}
	return out
}

func (m *membership) committed(topic string, partition int) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.floor[topic][partition]
}

// foresee forgets what was committed of a log that is not there any more: the topic was
// made anew, or its end was lost.
func (m *membership) foresee(b *Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.Restarted || b.End >= 0 && b.End < m.floor[b.Topic][b.Partition] {
		delete(m.floor[b.Topic], b.Partition)
	}
}

// foresight lets a membership see batches before they are handed on.
type foresight struct {
	Handler
	membership *membership
}

// HandleBatch makes it a Handler.
func (f foresight) HandleBatch(ctx context.Context, b *Batch) error {
	f.membership.foresee(b)
	return f.Handler.HandleBatch(ctx, b)
}

func (m *membership) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owns, m.claim, m.current = false, 0, nil
}

// heartbeats sends our own heartbeats besides the library's, which does not tell
// when one last succeeded. The generation ends when this returns, and the library joins again at
// once.
func (m *membership) heartbeats(ctx context.Context, gen *kafka.Generation) {
	for m.heartbeat(ctx, gen) {
		if !pause(ctx, m.cfg.HeartbeatInterval) {
			return
		}
	}
	m.unknown.wait(ctx)
}

// heartbeat returns false when the group does not know this member any more.
func (m *membership) heartbeat(ctx context.Context, gen *kafka.Generation) bool {
	sent := time.Now()
	err := m.cluster.heartbeat(ctx, &heartbeatRequest{m.cfg.ClientID, gen.GroupID, gen.ID, gen.MemberID}, m.cfg.SessionTimeout/2)
	unknown := errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration)
	alive := err == nil || errors.Is(err, kafka.RebalanceInProgress)
	switch {
	case err == nil:
		m.trouble("", nil)
	case !alive && ctx.Err() == nil && (!unknown || m.unknown.failures > usualRebalances):
		m.trouble("the consumer group does not take heartbeats, retrying", err)
	}
	if alive {
		m.unknown.reset()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if alive {
		m.beat = sent
	}
	m.owns = m.owns && !unknown
	return !unknown
}

func (m *membership) commits(ctx context.Context) {
	for pause(ctx, m.cfg.CommitInterval) {
		m.flush()
	}
}

func (m *membership) commit(topic string, partition int, next int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offsets.set(topic, partition, next)
	m.dirty = true
}

// forget drops the offsets of topics that are not read any more: they may not be there for long.
func (m *membership) forget(read []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.offsets, func(topic string, _ map[int]int64) bool { return !slices.Contains(read, topic) })
}

// usualFailures is how many commits in a row may fail before that is said: some do when the group
// changes.
const usualFailures = 3

// flush commits the noted offsets, as the owner only. A failure loses nothing.
func (m *membership) flush() {
	gen, offsets := m.take()
	if gen == nil {
		return
	}
	err := gen.CommitOffsets(offsets)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.dirty = true
		if m.uncommitted++; m.uncommitted == usualFailures {
			m.log.Warn("offsets are not committed, retrying", "err", err)
		}
		return
	}
	m.uncommitted = 0
}

// take returns a copy of the offsets and the generation to commit them in; nil if
// there is nothing to commit, or not by us. A member that lags behind the owner before it does not
// take back what that has committed.
func (m *membership) take() (*kafka.Generation, map[string]map[int]int64) {
	if !m.owner() {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil, nil
	}
	m.dirty = false
	out := map[string]map[int]int64{}
	for topic, partitions := range m.offsets {
		out[topic] = maps.Clone(partitions)
		for p, committed := range m.floor[topic] {
			if next, ok := out[topic][p]; ok {
				out[topic][p] = max(next, committed)
			}
		}
	}
	return m.current, out
}

// ownerBalancer gives all partitions to one member: to the one that owned them
// last, so that a member that comes or goes elsewhere changes nothing.
type ownerBalancer struct{ m *membership }

// ProtocolName names the scheme. Members with another one cannot join.
func (ownerBalancer) ProtocolName() string { return "streammon-owner" }

// UserData tells the leader the generation since which this member owns the group,
// as a big-endian int32; 0 if it does not.
func (b ownerBalancer) UserData() ([]byte, error) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	return binary.BigEndian.AppendUint32(nil, uint32(b.m.claim)), nil
}

// AssignGroups gives all partitions to the member with the youngest claim (an older
// one was stopped meanwhile), ties to the smallest id.
func (b ownerBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	out := kafka.GroupMemberAssignments{}
	for _, m := range members {
		out[m.ID] = map[string][]int{}
	}
	if len(members) == 0 {
		return out
	}
	owner := out[newestClaim(members).ID]
	for topic, n := range b.all(partitions) {
		for id := range n {
			owner[topic] = append(owner[topic], id)
		}
	}
	return out
}

// all returns the numbers of the partitions of all topics. The metadata may lack a topic for a moment, and
// an assignment that lacks them all would leave the group without an owner until it
// changes again.
func (b ownerBalancer) all(partitions []kafka.Partition) map[string]int {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	counts := map[string]int{}
	maps.Copy(counts, b.m.counts)
	for _, p := range partitions {
		counts[p.Topic] = max(counts[p.Topic], p.ID+1)
	}
	return counts
}

func newestClaim(members []kafka.GroupMember) kafka.GroupMember {
	return slices.MinFunc(members, func(a, b kafka.GroupMember) int {
		if ca, cb := claimOf(a), claimOf(b); ca != cb {
			return int(cb) - int(ca)
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}

func claimOf(m kafka.GroupMember) int32 {
	if len(m.UserData) < 4 {
		return 0
	}
	return int32(binary.BigEndian.Uint32(m.UserData))
}
