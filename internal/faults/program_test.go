package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/attack"
)

// long reports whether the tests run in their long setting, ci in that of continuous integration;
// else they are shorter still.
var (
	long = os.Getenv("STREAMMON_FAULTS") == "long"
	ci   = os.Getenv("CI") != ""
)

// binary is the program, built once, with failpoints.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "streammon-faults-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "streammon")
	out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", name, "github.com/streammon/streammon/cmd/streammon").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	if attack.Main() {
		return
	}
	code := m.Run()
	if name, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

// program is one that runs.
type program struct {
	cmd     *exec.Cmd
	address string
	log     *buffer
	done    chan error
}

// buffer is what a program writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts the program with arguments; env is added to the environment.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return launch(t, env, name, args...)
}

// launch starts another program, or a build of ours.
func launch(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	return startCommand(t, exec.CommandContext(context.Background(), name, args...), env)
}

// startCommand starts a command that becomes the program.
func startCommand(t *testing.T, cmd *exec.Cmd, env []string) *program {
	t.Helper()
	p := &program{cmd: cmd, log: &buffer{}, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd, tail(p.log.String()))
		}
	})
	return p
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// run starts `streammon run` on a free port.
func run(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	address := freePort(t)
	p := start(t, env, append([]string{"run", "--web.listen-address=" + address}, args...)...)
	p.address = address
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// wait waits for the end of the program.
func (p *program) wait(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(within):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(time.Second)
		t.Fatalf("the program does not end within %s:\n%s", within, p.log.String())
		return nil
	}
}

// ended reports whether the program has ended.
func (p *program) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

// kill ends the program as a power failure would, but for the disk.
func (p *program) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill()
	_ = p.wait(t, 10*time.Second)
	if s := p.log.String(); strings.Contains(s, "panic:") || strings.Contains(s, "fatal error:") {
		t.Fatalf("it panicked:\n%s", s)
	}
}

// terminate ends the program in good order.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(t, 20*time.Second); err != nil {
		t.Fatalf("it ended with %v:\n%s", err, tail(p.log.String()))
	}
}

// get returns the status and body of a page; 0 if there is none.
func (p *program) get(path string) (int, string) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://" + p.address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// awaitReady waits until the program is ready, and returns how long it took.
func (p *program) awaitReady(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, within, "readiness", func() bool {
		status, _ := p.get("/-/ready")
		return status == http.StatusOK || p.ended()
	})
	if p.ended() {
		t.Fatalf("it ended before it was ready:\n%s", tail(p.log.String()))
	}
	return time.Since(began)
}

func await(t *testing.T, within time.Duration, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %s", what, within)
		}
	}
}

// metric returns the sum of all series of a metric whose labels contain a text; ok is false if
// there is none.
func (p *program) metric(name, labels string) (sum float64, ok bool) {
	_, body := p.get("/metrics")
	return metricOf(body, name, labels)
}

// metricOf is the same of a page of metrics.
func metricOf(page, name, labels string) (sum float64, ok bool) {
	for line := range strings.Lines(page) {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest == "" || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, labels) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err == nil {
			sum += v
			ok = true
		}
	}
	return sum, ok
}

// compareFiles fails unless the files have the same bytes, and shows the first line that differs.
func compareFiles(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(a) == 0 {
		t.Fatalf("%s is empty", want)
	}
	if bytes.Equal(a, b) {
		return
	}
	la, lb := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range max(len(la), len(lb)) {
		var x, y []byte
		if i < len(la) {
			x = la[i]
		}
		if i < len(lb) {
			y = lb[i]
		}
		if !bytes.Equal(x, y) {
			t.Fatalf("%s (%d lines) and %s (%d lines) differ in line %d:\n%.600s\n%.600s", want, len(la), got, len(lb), i+1, x, y)
		}
	}
}
