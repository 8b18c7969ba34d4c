// Package deploy checks what deploy/ has with the tools that its formats come from. It is a module of its own, so
// that what the tools need stays out of streammon's. A test whose tool is absent is skipped.
package deploy

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// repo is the root of the repository.
const repo = "../.."

// tool returns the path of a program; the test is skipped where it is absent.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s in PATH", name)
	}
	return path
}

// run runs a program in the root of the repository, and returns what it printed; it must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := output(name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// fails runs a program that must refuse, and say why.
func fails(t *testing.T, why, name string, args ...string) {
	t.Helper()
	out, err := output(name, args...)
	if err == nil || !strings.Contains(out, why) {
		t.Errorf("%s %s: error %v, which does not say %q:\n%s", name, strings.Join(args, " "), err, why, out)
	}
}

func output(name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir = repo
	out, err := c.CombinedOutput()
	return string(out), err
}

// binary builds streammon once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join(folder, "streammon"))
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", path, "./cmd/streammon")
	c.Dir, c.Env = repo, append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return path, c.Run()
})

// folder is for what several tests use; it is removed at the end.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "streammon-deploy-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repo, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// glob returns the files of the repository that match.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(os.DirFS(repo), pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// process is a program in the background; what it prints is in log.
type process struct {
	cmd *exec.Cmd
	log *buffer
}

// start runs a program until the test ends.
func start(t *testing.T, c *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: c, log: &buffer{}}
	c.Stdout, c.Stderr = p.log, p.log
	c.SysProcAttr, c.WaitDelay = &syscall.SysProcAttr{Setpgid: true}, 5*time.Second // strace leaves behind what it has started
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGINT)
		kill := time.AfterFunc(20*time.Second, func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		c.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(c.Args, " "), p.log)
		}
	})
	return p
}

// buffer is a bytes.Buffer of several goroutines.
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
