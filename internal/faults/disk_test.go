package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
)

// need skips a test where the machine does not let it run; continuous integration must.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// savedStage is a stage with some events, and with the state of a program that was killed
// after it had read them.
func savedStage(t *testing.T) (s *stage, config, results, file string) {
	t.Helper()
	_, b := testkafka.Fake(t)
	s = newStage(t, b, 7, 50*time.Millisecond)
	s.produce(t.Context(), t, 10_000)
	config, results = s.config(t, "run", "state", ""), filepath.Join(s.dir, "results.jsonl")
	p := run(t, nil, "--config.file="+config, "--results="+results)
	p.awaitReady(t, 20*time.Second)
	await(t, 20*time.Second, "two saves", func() bool { n, _ := p.metric("streammon_state_saves_total", ""); return n >= 2 })
	p.kill(t)
	s.produce(t.Context(), t, 5_000)
	return s, config, results, filepath.Join(s.dir, "state", "streammon.state")
}

// TestDamage changes the file of the state in many ways while the program is away. It goes on from
// what is whole or reads the log again: the results are the same.
func TestDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	s, config, results, file := savedStage(t)
	want := s.undisturbed(t)
	state, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	r := rand.New(rand.NewPCG(5, 6))
	overwrite := func(change func(b []byte) []byte) func() error {
		return func() error { return os.WriteFile(file, change(append([]byte(nil), state...)), 0o600) }
	}
	damages := map[string]func() error{
		"nothing": overwrite(func(b []byte) []byte { return b }),
		"empty":   overwrite(func([]byte) []byte { return nil }),
		"half":    overwrite(func(b []byte) []byte { return b[:len(b)/2] }),
		"zeros":   overwrite(func(b []byte) []byte { return make([]byte, len(b)) }),
		"gone":    func() error { return nil },
		"folder":  func() error { return os.MkdirAll(filepath.Join(file, "inner"), 0o755) },
		"meta pages swapped": overwrite(func(b []byte) []byte {
			first := append([]byte(nil), b[:page]...)
			copy(b, b[page:2*page])
			copy(b[page:], first)
			return b
		}),
	}
	random := 6
	if long {
		random = 100
	}
	for i := range random {
		at := r.IntN(len(state)/page) * page
		switch i % 3 {
		case 0:
			damages[fmt.Sprintf("bits %d", i)] = overwrite(func(b []byte) []byte {
				for range 1 + i*i {
					b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				}
				return b
			})
		case 1:
			damages[fmt.Sprintf("page %d zeroed", at/page)] = overwrite(func(b []byte) []byte { clear(b[at : at+page]); return b })
		case 2:
			damages[fmt.Sprintf("cut at page %d", at/page)] = overwrite(func(b []byte) []byte { return b[:at] })
		}
	}
	aside, other := 0, 0
	for what, damage := range damages {
		if err := os.RemoveAll(filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(results, written, 0o600); err != nil {
			t.Fatal(err)
		}
		p := run(t, nil, "--config.file="+config, "--results="+results, "--until-end")
		if err := p.wait(t, time.Minute); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, tail(p.log.String()))
		}
		log := p.log.String()
		restored, said := strings.Contains(log, "state restored"), strings.Contains(log, "level=ERROR")
		switch {
		case strings.Contains(log, "panic:"):
			t.Errorf("%s: it panicked", what)
		case what == "gone" && restored:
			t.Error("something was restored from nothing")
		case what == "gone":
		case !restored && !said:
			t.Errorf("%s: the state was not used, and nothing was said:\n%s", what, tail(log))
		case strings.Contains(log, "state is damaged, it was moved aside"):
			aside++
		case said:
			other++
		}
		t.Log(what)
		compareFiles(t, want, results)
	}
	t.Logf("%d damages: %d moved the file aside, %d went on from an older save or without a part", len(damages), aside, other)
}

// mounted returns a folder on a file system of its own, of so many bytes.
func mounted(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	need(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)) == nil, "to mount a file system")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestFullDisk fills the disk of the state, and makes it read-only. Reading goes on, readiness and
// metrics tell, and saving goes on when it can.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	disk := mounted(t, 64<<20)
	_, b := testkafka.Fake(t)
	s := newStage(t, b, 8, 50*time.Millisecond)
	s.produce(t.Context(), t, 2_000)
	results := filepath.Join(s.dir, "results.jsonl")
	if err := os.Symlink(disk, filepath.Join(s.dir, "state")); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config.file=" + s.config(t, "run", "state", ""), "--results=" + results}

	// Read-only from the beginning.
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	p := run(t, nil, args...)
	awaitUnsaved(t, p)
	read := consumed(p)
	s.produce(t.Context(), t, 2_000)
	await(t, 20*time.Second, "reading beside a read-only disk", func() bool { return consumed(p) >= read+1000 })
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	awaitSaved(t, p)

	// Full.
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	s.produce(t.Context(), t, 4_000)
	awaitUnsaved(t, p)
	read = consumed(p)
	s.produce(t.Context(), t, 4_000)
	await(t, 20*time.Second, "reading beside a full disk", func() bool { return consumed(p) >= read+3000 })
	p.kill(t)
	p = run(t, nil, args...) // begins on a full disk
	s.produce(t.Context(), t, 2_000)
	awaitUnsaved(t, p)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	awaitSaved(t, p)
	p.kill(t)

	// Full before there is a state.
	if err := os.Remove(filepath.Join(disk, "streammon.state")); err != nil {
		t.Fatal(err)
	}
	fill(t, filler)
	p = run(t, nil, args...)
	awaitUnsaved(t, p)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	awaitSaved(t, p)
	p.kill(t)
	if err := run(t, nil, append(args, "--until-end")...).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	compareFiles(t, s.undisturbed(t), results)
}

func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 1 << 10} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		err = nil
	}
}

func consumed(p *program) float64 {
	n, _ := p.metric("streammon_consumed_messages_total", "")
	return n
}

// awaitUnsaved waits until the program says that its state is not saved.
func awaitUnsaved(t *testing.T, p *program) {
	t.Helper()
	await(t, 30*time.Second, "word that the state is not saved", func() bool {
		status, body := p.get("/-/ready")
		failures, _ := p.metric("streammon_state_save_failures_total", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "state is not saved") && failures > 0
	})
}

// awaitSaved waits until the program is ready and has saved.
func awaitSaved(t *testing.T, p *program) {
	t.Helper()
	before, _ := p.metric("streammon_state_saves_total", "")
	await(t, 30*time.Second, "a save", func() bool {
		status, _ := p.get("/-/ready")
		saves, _ := p.metric("streammon_state_saves_total", "")
		return status == http.StatusOK && saves > before
	})
}

// TestFailedSync makes the disk fail to keep what was written: such a save never counts, and
// the next that succeeds has all.
func TestFailedSync(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "strace")
	_, b := testkafka.Fake(t)
	s := newStage(t, b, 9, 50*time.Millisecond)
	s.produce(t.Context(), t, 3_000)
	results := filepath.Join(s.dir, "results.jsonl")
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--config.file=" + s.config(t, "run", "state", ""), "--results=" + results}
	kinds := []string{"fdatasync:error=EIO:when=4..9", "pwrite64:error=EIO:when=20..23", "fsync:error=ENOSPC:when=2..4"}
	for _, inject := range kinds {
		address := freePort(t)
		call, _, _ := strings.Cut(inject, ":")
		p := &program{cmd: exec.Command(strace, append([]string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + inject, name, "run", "--web.listen-address=" + address}, args...)...), address: address, log: &buffer{}, done: make(chan error, 1)}
		p.cmd.Stderr = p.log
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { p.done <- p.cmd.Wait() }()
		stop := func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
		t.Cleanup(func() {
			stop()
			if t.Failed() {
				t.Logf("%s:\n%s", inject, tail(p.log.String()))
			}
		})
		awaitUnsaved(t, p)
		s.produce(t.Context(), t, 2_000)
		awaitSaved(t, p)
		saves, _ := p.metric("streammon_state_saves_total", "")
		failures, _ := p.metric("streammon_state_save_failures_total", "")
		t.Logf("%s: %g saves, %g failed", inject, saves, failures)
		stop()
		_ = p.wait(t, 10*time.Second)
	}
	if err := run(t, nil, append(args, "--until-end")...).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	compareFiles(t, s.undisturbed(t), results)
}
