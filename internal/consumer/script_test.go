package consumer

import (
	"sync"
	"testing"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// script is a partition whose fetch responses are written by the test: it makes the
// embedded broker send what it would never store.
type script struct {
	cluster *kfake.Cluster
	broker  testkafka.Broker
	topic   string

	mu      sync.Mutex
	batches []scriptedBatch
	end     int64
	open    int64 // where a transaction begins that has not ended; 0: none
	aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction
	fetches int
	// answer, if set, may replace a response.
	answer func(fetch int, res *kmsg.FetchResponse)
}

type scriptedBatch struct {
	last  int64
	bytes []byte
}

func newScript(t *testing.T) *script { return newScripts(t, 1) }

// newScripts is a script of several partitions that are all the same.
func newScripts(t *testing.T, partitions int) *script {
	c, b := testkafka.Fake(t)
	s := &script{cluster: c, broker: b, topic: b.CreateTopic(t, partitions, nil)}
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return s.respond(req.(*kmsg.FetchRequest)), nil, true
	})
	return s
}

func (s *script) append(b rawBatch) { s.appendBytes(b.base+int64(b.lastDelta), b.bytes()) }

func (s *script) appendBytes(last int64, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, scriptedBatch{last, b})
	s.end = last + 1
}

// respond sends every batch from the one that covers the offset on, as a broker
// does, whole or none.
func (s *script) respond(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := req.Topics[0].Partitions[0]
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition = asked.Partition
	p.HighWatermark, p.LastStableOffset, p.AbortedTransactions = s.end, s.end, s.aborted
	if s.open > 0 && req.IsolationLevel == 1 {
		p.LastStableOffset = s.open
	}
	for _, b := range s.batches {
		if b.last < asked.FetchOffset || s.open > 0 && b.last >= s.open && req.IsolationLevel == 1 {
			continue
		}
		if len(p.RecordBatches) > 0 && len(p.RecordBatches)+len(b.bytes) > int(asked.PartitionMaxBytes) {
			break
		}
		p.RecordBatches = append(p.RecordBatches, b.bytes...)
	}
	rt := kmsg.NewFetchResponseTopic()
	rt.Topic, rt.Partitions = s.topic, append(rt.Partitions, p)
	res := req.ResponseKind().(*kmsg.FetchResponse)
	res.Topics = append(res.Topics, rt)
	if s.answer != nil {
		s.answer(s.fetches, res)
	}
	s.fetches++
	return res
}

// bytes returns how many bytes all batches have.
func (s *script) bytes() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		n += len(b.bytes)
	}
	return n
}
