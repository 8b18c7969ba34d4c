package consumer

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A real broker that is killed and started again: nothing is lost, nothing comes
// twice, and the group has its owner again.
func TestKilledBroker(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, listed testkafka.Broker) {
		k := ownBroker(t, listed.Version)
		topic := k.CreateTopic(t, 2, nil)
		client := k.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		cfg := quick(k.Broker, topic)
		cfg.Group = testkafka.Name(t)
		r := start(t, cfg, newCollector())
		for round := range 2 {
			for i := range 50 {
				testkafka.Produce(t, client, &kgo.Record{Topic: topic, Value: fmt.Append(nil, round, i)})
			}
			r.got.waitTotal(t, 50*(round+1))
			eventually(t, "ownership", r.Owner)
			if round == 0 {
				k.run(t, "kill")
				eventually(t, "the trouble is shown", func() bool { return r.Status().Partitions[0].Error != "" })
				eventually(t, "the owner fences itself", func() bool { return !r.Owner() })
				k.run(t, "restart")
			}
		}
		seen := map[string]bool{}
		for _, id := range []int{0, 1} {
			for _, v := range r.got.values(topic, id) {
				if seen[v] {
					t.Errorf("%q came twice", v)
				}
				seen[v] = true
			}
		}
	})
}

// killable is a broker of the test's own.
type killable struct {
	testkafka.Broker
	dir string
}

func (k killable) run(t *testing.T, command string, options ...string) {
	t.Helper()
	args := append([]string{command, "--dir", k.dir}, options...)
	if out, err := exec.Command(filepath.Join("..", "..", "test", "kafka.sh"), args...).CombinedOutput(); err != nil {
		t.Fatalf("kafka.sh %s: %v\n%s", command, err, out)
	}
}

func ownBroker(t *testing.T, version string) killable {
	t.Helper()
	port := freePorts(t)
	k := killable{dir: filepath.Join(t.TempDir(), "kafka")}
	k.Version, k.Bootstrap = version, []string{fmt.Sprint("127.0.0.1:", port)}
	t.Cleanup(func() { k.run(t, "kill") })
	k.run(t, "start", "--version", version, "--port", fmt.Sprint(port))
	return k
}

// freePorts returns a port that is free, as is the next one.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port
		}
		if !strings.Contains(err.Error(), "in use") && port < 65535 {
			t.Fatal(err)
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}
