package deploy

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const unit = "deploy/systemd/streammon.service"

// TestUnit: systemd understands the unit, and finds little that a service could do beyond what it needs.
func TestUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	// The program is where the unit says on the host that it is for; here it is elsewhere.
	here := strings.ReplaceAll(read(t, unit), "/usr/local/bin/streammon", binary(t))
	if out := run(t, analyze, "verify", "--man=no", write(t, "streammon.service", here)); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	wrong := write(t, "streammon.service", strings.Replace(here, "Restart=always", "Restart=perhaps", 1))
	if out, _ := output(analyze, "verify", "--man=no", wrong); !strings.Contains(out, "perhaps") {
		t.Errorf("systemd-analyze verify finds nothing in a unit that is wrong: %s", out)
	}
	out := run(t, analyze, "security", "--no-pager", "--offline=true", "--threshold=20", unit)
	m := regexp.MustCompile(`Overall exposure level for streammon.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 2 {
		t.Errorf("exposure level %s is above 2", m[1])
	}
	t.Log(m[0])
}

// TestUnitAllowsWhatIsCalled compares the system calls of the program, reading, saving and serving, with
// the unit's filter.
func TestUnitAllowsWhatIsCalled(t *testing.T) {
	strace, analyze, brokers := tool(t, "strace"), tool(t, "systemd-analyze"), kafka(t)
	allowed := filter(t, analyze)
	streammon, dir := binary(t), t.TempDir()
	run(t, streammon, "demo", "--brokers="+brokers, "--write-config="+dir, "--state.dir="+filepath.Join(dir, "state"))
	config := filepath.Join(dir, "streammon.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "group: streammon-demo}", "group: streammon-demo, start: latest}", 1)) // tracing is slow
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(dir, "trace")
	start(t, exec.Command(streammon, "demo", "--brokers="+brokers, "--rate=20"))
	c := exec.Command(strace, "-f", "-qq", "--signal=none", "-o", trace, streammon, "run",
		"--config.file="+config, "--web.listen-address=127.0.0.1:"+freePort(t))
	p := start(t, c)
	p.until(t, "msg=ready", 2*time.Minute)
	time.Sleep(12 * time.Second) // a save
	syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	c.Wait()
	if _, err := os.Stat(filepath.Join(dir, "state", "streammon.state")); err != nil {
		t.Error(err)
	}
	seen := calls(t, trace)
	for _, name := range seen {
		if !allowed[name] {
			t.Errorf("the unit's filter does not allow %s", name)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d system calls were seen: %v", len(seen), seen)
	}
}

// tolerated are calls that may fail: the most open files stay those of the unit.
var tolerated = []string{"prlimit64", "setrlimit"}

// filter returns the system calls that the unit allows, and those that may fail.
func filter(t *testing.T, analyze string) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	var set func(name string, allow bool)
	set = func(name string, allow bool) {
		if !strings.HasPrefix(name, "@") {
			allowed[name] = allow
			return
		}
		s := bufio.NewScanner(strings.NewReader(run(t, analyze, "syscall-filter", "--no-pager", name)))
		for s.Scan() {
			if l := strings.TrimSpace(s.Text()); s.Text() != l && !strings.HasPrefix(l, "#") && l != "" {
				set(l, allow)
			}
		}
	}
	for l := range strings.Lines(read(t, unit)) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(l), "SystemCallFilter="); ok {
			list, deny := strings.CutPrefix(list, "~")
			for _, name := range strings.Fields(list) {
				set(name, !deny)
			}
		}
	}
	if !allowed["read"] || allowed["mount"] || allowed["setpriority"] {
		t.Fatal("the unit's filter was not understood")
	}
	for _, name := range tolerated {
		allowed[name] = true
	}
	allowed["execve"] = true // systemd's, before the filter
	return allowed
}

// calls returns the names in a trace.
func calls(t *testing.T, trace string) (names []string) {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	call := regexp.MustCompile(`^\d+ +([a-z_0-9]+)\(`)
	for s := bufio.NewScanner(f); s.Scan(); {
		if m := call.FindStringSubmatch(s.Text()); m != nil && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}
