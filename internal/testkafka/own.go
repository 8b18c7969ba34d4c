package testkafka

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Cluster is a real Kafka of a test's own, whose brokers may be killed.
type Cluster struct {
	Broker
	dir string
}

// Own starts so many brokers of a version, with replication over up to three of them. They
// end with the test.
func Own(t testing.TB, version string, brokers int) Cluster {
	t.Helper()
	first := freePorts(t, brokers)
	c := Cluster{dir: filepath.Join(t.TempDir(), "kafka")}
	c.Version = version
	for i := range brokers {
		c.Bootstrap = append(c.Bootstrap, fmt.Sprint("127.0.0.1:", first+portsApart*i))
	}
	t.Cleanup(func() { c.run(t, "kill") })
	c.run(t, "start", "--version", version, "--brokers", strconv.Itoa(brokers), "--port", strconv.Itoa(first))
	return c
}

// Kill ends a broker by SIGKILL; 1 is the first. Its data stay.
func (c Cluster) Kill(t testing.TB, node int) {
	t.Helper()
	c.run(t, "kill", "--node", strconv.Itoa(node))
}

// Restart starts a broker that was killed, on its data, and waits until it answers.
func (c Cluster) Restart(t testing.TB, node int) {
	t.Helper()
	c.run(t, "restart", "--node", strconv.Itoa(node))
}

// run runs test/kafka.sh, as seen from a package below internal.
func (c Cluster) run(t testing.TB, command string, options ...string) {
	t.Helper()
	args := append([]string{command, "--dir", c.dir}, options...)
	if out, err := exec.Command(filepath.Join("..", "..", "test", "kafka.sh"), args...).CombinedOutput(); err != nil {
		t.Fatalf("kafka.sh %s: %v\n%s", command, err, out)
	}
}

// portsApart is the distance between the ports of two brokers; each takes two.
const portsApart = 10

// freePorts returns the first port of brokers that find theirs free. It is none that the system
// gives to outgoing connections: one of those could take it while a broker is down.
func freePorts(t testing.TB, brokers int) int {
	t.Helper()
	for range 100 {
		first := 20_000 + rand.IntN(12_000)
		if portsFree(t, first, brokers) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func portsFree(t testing.TB, first, brokers int) bool {
	t.Helper()
	for i := range 2 * brokers {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", first+portsApart*(i/2)+i%2))
		if err != nil && !strings.Contains(err.Error(), "in use") {
			t.Fatal(err)
		}
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
