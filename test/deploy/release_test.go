package deploy

import (
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease makes the release of a platform of each system, in a clone, and looks at what there is: CI builds two of
// the four, since each takes a minute.
func TestRelease(t *testing.T) {
	git, sh := tool(t, "git"), tool(t, "make")
	platforms := "linux/amd64 darwin/arm64"
	if all := os.Getenv("STREAMMON_RELEASE"); all != "" {
		platforms = "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64"
	}
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, git, "clone", "-q", ".", clone)
	c := exec.Command(sh, "-s", "-C", clone, "release", "PLATFORMS="+platforms)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make release: %v\n%s", err, out)
	}
	dist := filepath.Join(clone, "dist")
	sums, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for l := range strings.Lines(string(sums)) {
		f := strings.Fields(l)
		data, err := os.ReadFile(filepath.Join(dist, f[1]))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f[0] {
			t.Errorf("the sum of %s is another", f[1])
		}
		listed[f[1]] = true
	}
	for _, p := range strings.Fields(platforms) {
		names, _ := filepath.Glob(filepath.Join(dist, "streammon-*-"+strings.ReplaceAll(p, "/", "-")))
		if len(names) != 1 {
			t.Errorf("%s: there are %v", p, names)
			continue
		}
		name := filepath.Base(names[0])
		if !listed[name] || !listed[name+".cdx.json"] {
			t.Errorf("SHA256SUMS lacks %s or what it is made of", name)
		}
		checkPlatform(t, names[0], p)
		checkParts(t, names[0])
		if p == "linux/amd64" && exec.Command(names[0], "version").Run() != nil {
			t.Errorf("%s does not run", name)
		}
	}
}

// checkPlatform: the file is a static program of the platform.
func checkPlatform(t *testing.T, name, platform string) {
	t.Helper()
	if strings.HasPrefix(platform, "darwin") {
		f, err := macho.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if want := map[string]macho.Cpu{"darwin/amd64": macho.CpuAmd64, "darwin/arm64": macho.CpuArm64}[platform]; f.Cpu != want {
			t.Errorf("%s is for %v", name, f.Cpu)
		}
		return
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}[platform]; f.Machine != want {
		t.Errorf("%s is for %v", name, f.Machine)
	}
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("%s needs %v", name, libraries)
	}
}

// checkParts: the list of parts names each module that the file was built from, with its version.
func checkParts(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		BOMFormat  string
		Components []struct{ PURL string }
	}
	if err := json.Unmarshal(data, &list); err != nil || list.BOMFormat != "CycloneDX" {
		t.Fatalf("%s.cdx.json: %v, %q", name, err, list.BOMFormat)
	}
	has := map[string]bool{}
	for _, c := range list.Components {
		purl, _, _ := strings.Cut(c.PURL, "?")
		has[purl] = true
	}
	n := 0
	for l := range strings.Lines(run(t, "go", "version", "-m", name)) {
		if f := strings.Fields(l); len(f) >= 3 && f[0] == "dep" {
			if n++; !has["pkg:golang/"+f[1]+"@"+f[2]] {
				t.Errorf("%s.cdx.json lacks %s %s", name, f[1], f[2])
			}
		}
	}
	if n < 20 {
		t.Errorf("%s was built from %d modules only", name, n)
	}
}
