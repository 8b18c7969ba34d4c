package deploy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

const composeFile = "deploy/compose/compose.yaml"

// project loads the compose file as docker compose does.
func project(t *testing.T) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(repo, composeFile)}, cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCompose: the file is one of compose, and what it mounts and builds is in the repository.
func TestCompose(t *testing.T) {
	p := project(t)
	for _, name := range []string{"kafka", "config", "demo", "streammon", "prometheus", "alertmanager", "grafana"} {
		s, err := p.GetService(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		} else if image, version, ok := strings.Cut(s.Image, ":"); !ok || version == "latest" {
			t.Errorf("%s: the version of %s is not fixed", name, image)
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to the network", name, port.Published)
			}
		}
	}
}

// TestComposeRuns runs the commands of the file's services that are streammon's, without containers, with a real Kafka,
// and the Prometheus of the file.
func TestComposeRuns(t *testing.T) {
	brokers, prometheus := kafka(t), tool(t, "prometheus")
	p, dir, port := project(t), t.TempDir(), freePort(t)
	replace := strings.NewReplacer("kafka:9092", brokers, "/var/lib/streammon", dir)
	command := func(service string, more ...string) *exec.Cmd {
		s, err := p.GetService(service)
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string(nil), more...)
		for _, a := range s.Command {
			args = append(args, replace.Replace(a))
		}
		return exec.Command(binary(t), args...)
	}
	if out, err := command("config").CombinedOutput(); err != nil {
		t.Fatalf("config: %v\n%s", err, out)
	}
	start(t, command("demo"))
	c := command("streammon")
	c.Args = append(c.Args, "--web.listen-address=127.0.0.1:"+port)
	start(t, c)
	web := freePort(t)
	start(t, exec.Command(prometheus, "--config.file="+prometheusConfig(t, port), "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:"+web))
	await(t, "http://127.0.0.1:"+web+"/api/v1/query?query=streammon_drift_state%7Bfeature%3D%22amount%22,window%3D%225m%22,model%3D%22fraud%22,version%3D%227%22%7D==0", `"window":"5m"`)
}

// prometheusConfig is that of the compose file, with the port of streammon and no Alertmanager, and quicker.
func prometheusConfig(t *testing.T, port string) string {
	t.Helper()
	var c map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/prometheus.yml")), &c); err != nil {
		t.Fatal(err)
	}
	delete(c, "alerting")
	c["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	rules, err := filepath.Abs(filepath.Join(repo, "deploy/prometheus/rules/*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	c["rule_files"] = []string{rules}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "prometheus.yml", strings.ReplaceAll(string(text), "streammon:9108", "127.0.0.1:"+port))
}

// TestPrometheusConfig: promtool takes the config of the compose file.
func TestPrometheusConfig(t *testing.T) {
	promtool := tool(t, "promtool")
	run(t, promtool, "check", "config", "--syntax-only", "deploy/compose/prometheus.yml")
}

// kafka returns the address of a real broker: the first of STREAMMON_KAFKA, which has VERSION=HOST:PORT;...
func kafka(t *testing.T) string {
	t.Helper()
	first, _, _ := strings.Cut(os.Getenv("STREAMMON_KAFKA"), ";")
	_, address, ok := strings.Cut(first, "=")
	if !ok {
		t.Skip("needs a broker: STREAMMON_KAFKA is not set")
	}
	return address
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// await asks a URL until its answer has a text.
func await(t *testing.T, url, want string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		r, err := http.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if last = string(b); strings.Contains(last, want) {
			return
		}
	}
	t.Fatalf("%s has no %s:\n%s", url, want, last)
}

// until waits for a text in what a program prints.
func (p *process) until(t *testing.T, want string, limit time.Duration) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(p.log.String(), want) {
			return
		}
	}
	t.Fatalf("%s never said %q", strings.Join(p.cmd.Args, " "), want)
}
