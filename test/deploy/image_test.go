package deploy

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDockerfileIsClean: hadolint finds nothing.
func TestDockerfileIsClean(t *testing.T) {
	hadolint := tool(t, "hadolint")
	run(t, hadolint, "--failure-threshold=style", "deploy/Dockerfile")
	fails(t, "DL3006", hadolint, write(t, "Dockerfile", "FROM golang\n"))
}

// TestImage builds the Dockerfile with buildah, and runs what it has in it, and only that. The image that it builds in
// comes from a registry; one with this machine's Go and a shell stands in for it.
func TestImage(t *testing.T) {
	buildah, busybox := tool(t, "buildah"), tool(t, "busybox")
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	store := t.TempDir()
	b := func(args ...string) string {
		t.Helper()
		all := append([]string{"--storage-driver=vfs", "--root=" + store + "/root", "--runroot=" + store + "/run"}, args...)
		return strings.TrimSpace(run(t, buildah, all...))
	}
	t.Cleanup(func() { b("rm", "--all") })
	image := baseImage(t)
	c := b("from", "scratch")
	b("add", c, standIn(t, busybox), "/")
	b("config", "--env=PATH=/usr/local/go/bin:/bin", "--env=GOPATH=/go", "--env=GOPROXY=off", "--env=GOTOOLCHAIN=local", "--env=GOFLAGS=-buildvcs=false", c)
	b("commit", "-q", c, image)
	goenv := func(name string) string { return strings.TrimSpace(run(t, "go", "env", name)) }
	b("bud", "--pull-never", "--isolation=chroot", "-v", goenv("GOROOT")+":/usr/local/go:ro", "-v", goenv("GOMODCACHE")+":/go/pkg/mod:ro",
		"-v", goenv("GOCACHE")+":/root/.cache/go-build", "--build-arg=TARGETARCH="+goenv("GOARCH"), "-f", "deploy/Dockerfile", "-t", "streammon", ".")
	built := b("from", "--pull-never", "localhost/streammon")
	checkConfig(t, b("inspect", "--type=image", "localhost/streammon"))
	root := b("mount", built)
	var sums [][sha256.Size]byte
	checkFiles(t, root)
	for _, name := range []string{binary(t), filepath.Join(root, "streammon")} { // built without a commit, since the stand-in has no git
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sha256.Sum256(data))
	}
	if sums[0] != sums[1] {
		t.Error("the image's program has other bytes than the one that is built here")
	}

	if out := inside(t, root, "version"); !strings.HasPrefix(out, "streammon ") {
		t.Errorf("version says %q", out)
	}
	if out := inside(t, root, "demo", "--duration=5s", "--rate=20", "--web.listen-address=127.0.0.1:"+freePort(t)); !strings.Contains(out, "demo ended") {
		t.Errorf("the demo says:\n%s", out)
	}
}

// inside runs the image's program in a chroot, as its user.
func inside(t *testing.T, root string, args ...string) string {
	t.Helper()
	c := exec.Command("/streammon", args...)
	c.Dir, c.Env = "/var/lib/streammon", []string{}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v in the image: %v\n%s", args, err, out)
	}
	return string(out)
}

// baseImage returns the full name of the image that the Dockerfile builds in.
func baseImage(t *testing.T) string {
	t.Helper()
	for l := range strings.Lines(read(t, "deploy/Dockerfile")) {
		if f := strings.Fields(l); len(f) == 4 && f[0] == "FROM" && strings.HasPrefix(f[1], "golang:") {
			return "docker.io/library/" + f[1]
		}
	}
	t.Fatal("the Dockerfile builds in no image of golang")
	return ""
}

// standIn makes a root file system with a shell and the certificates.
func standIn(t *testing.T, busybox string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "etc/ssl/certs", "root", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "cp", busybox, root+"/bin/busybox")
	run(t, "cp", "/etc/ssl/certs/ca-certificates.crt", root+"/etc/ssl/certs/")
	for _, name := range []string{"sh", "mkdir", "cp", "chmod", "chown"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// checkConfig: the image runs streammon, and not as root.
func checkConfig(t *testing.T, inspected string) {
	t.Helper()
	var i struct {
		OCIv1 struct {
			Config struct {
				User, WorkingDir string
				Entrypoint, Cmd  []string
				ExposedPorts     map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(inspected), &i); err != nil {
		t.Fatal(err)
	}
	c := i.OCIv1.Config
	if c.User != "65532:65532" || c.WorkingDir != "/var/lib/streammon" || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/streammon run --config.file=/etc/streammon/streammon.yaml" {
		t.Errorf("the image's configuration is %+v", c)
	}
	if _, ok := c.ExposedPorts["9108/tcp"]; !ok {
		t.Errorf("the image exposes %v", c.ExposedPorts)
	}
}

// checkFiles: the image has the program, certificates, and folders; nothing else, no shell above all.
func checkFiles(t *testing.T, root string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files, " "); got != "/etc/ssl/certs/ca-certificates.crt /streammon" {
		t.Errorf("the image has the files %s", got)
	}
	if info, err := os.Stat(filepath.Join(root, "var/lib/streammon")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65532 {
		t.Errorf("/var/lib/streammon is not the user's: %v, %v", info, err)
	}
}
