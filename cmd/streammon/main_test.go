package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestMain lets scripts call the program by its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"streammon": main})
}

// TestScripts runs the command lines of testdata/script. Each script has an embedded
// broker at $BROKER, and a free port at $PORT.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			_, b := testkafka.Fake(t)
			e.Values["broker"] = b
			e.Setenv("BROKER", b.Bootstrap[0])
			// A port that the system gives to nobody by itself.
			for range 100 {
				port := strconv.Itoa(20_000 + rand.IntN(10_000))
				if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
					e.Setenv("PORT", port)
					return l.Close()
				}
			}
			return errors.New("no port is free")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "produce": func(ts *testscript.TestScript, _ bool, args []string) { produce(t, ts, args) },
			"await": await, "post": post, "terminate": terminate, "hangup": hangup, "rows": rows,
		},
	})
}

// exits CODE COMMAND... runs a command that must end with the exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with exit code %d", strings.Join(args[1:], " "), code)
	}
}

// produce TOPIC PARTITIONS N creates a topic and writes N events of the demo's service,
// one a second up to now, in turn to its partitions.
func produce(t *testing.T, ts *testscript.TestScript, args []string) {
	partitions, err := strconv.Atoi(args[1])
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	b := ts.Value("broker").(testkafka.Broker)
	b.CreateNamed(t, args[0], partitions, nil)
	service := demo.NewService(1)
	var records []*kgo.Record
	for i := range n {
		at := time.Now().Add(time.Duration(i-n) * time.Second)
		value, _ := service.Append(nil, at, demo.Effects{})
		records = append(records, &kgo.Record{Topic: args[0], Partition: int32(i % partitions), Value: value, Timestamp: at})
	}
	testkafka.Produce(t, b.Client(t), records...)
}

// rows FILE TIME N [moved] writes a CSV file of N rows, one a second from the time on.
func rows(ts *testscript.TestScript, _ bool, args []string) {
	at, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	rng := rand.New(rand.NewPCG(1, uint64(len(args))))
	mean := float64(10 * (len(args) - 2))
	text := []byte("when,amount,merchant\n")
	for i := range n {
		text = fmt.Appendf(text, "%s,%.3f,m%d\n", at.Add(time.Duration(i)*time.Second).Format(time.RFC3339), mean+4*rng.NormFloat64(), rng.IntN(5))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// await URL REGEXP asks a URL until the answer matches.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[1])
	var last string
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		ts.Check(err)
		if last = string(b); want.MatchString(last) {
			return
		}
	}
	ts.Fatalf("%s has no %s:\n%s", args[0], args[1], last)
}

// post URL REGEXP posts nothing to a URL, whose answer must match.
func post(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.Post(args[0], "", nil)
	ts.Check(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	ts.Check(err)
	if !regexp.MustCompile("(?m)" + args[1]).Match(b) {
		ts.Fatalf("%s has no %s:\n%s", args[0], args[1], b)
	}
}

// terminate sends SIGTERM to the programs in the background, as an orchestrator does.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// hangup sends SIGHUP to the programs in the background.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}
