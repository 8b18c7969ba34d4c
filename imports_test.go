package streammon

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/streammon/streammon/"

// importRow is what ARCHITECTURE.md allows a package.
type importRow struct{ internal, libraries []string }

var coreImports = []string{"event", "sketch", "window", "profile", "drift", "join", "monitor"}

func readImportTable(t *testing.T) map[string]importRow {
	t.Helper()
	f, err := os.Open("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cells := regexp.MustCompile("^\\| `((?:internal|cmd)/[a-z]+)` \\| .* \\| (.*) \\|$")
	table := map[string]importRow{}
	for s := bufio.NewScanner(f); s.Scan(); {
		m := cells.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		var row importRow
		for _, name := range strings.Split(m[2], ", ") {
			switch {
			case name == "-":
			case name == "core":
				row.internal = append(row.internal, coreImports...)
			case name == "all" || !strings.ContainsAny(name, "/_-") && name != "gonum":
				row.internal = append(row.internal, name)
			default:
				row.libraries = append(row.libraries, name)
			}
		}
		table[m[1]] = row
	}
	return table
}

// TestImportTable compares the table of ARCHITECTURE.md with the real imports, in
// both directions: no package without a row, no row without a package.
func TestImportTable(t *testing.T) {
	table := readImportTable(t)
	if len(table) < 10 {
		t.Fatalf("only %d rows found in ARCHITECTURE.md", len(table))
	}
	var bound []string
	for _, row := range table {
		bound = append(bound, row.libraries...)
	}
	found := map[string]bool{}
	for path, imports := range goList(t) {
		name := strings.TrimPrefix(path, module)
		row, ok := table[name]
		if !ok {
			t.Errorf("%s has no row in ARCHITECTURE.md", name)
			continue
		}
		found[name] = true
		for _, i := range imports {
			checkImport(t, name, row, i, bound)
		}
	}
	for name := range table {
		if !found[name] {
			t.Errorf("ARCHITECTURE.md has a row for %s, which does not exist", name)
		}
	}
}

func checkImport(t *testing.T, name string, row importRow, path string, bound []string) {
	t.Helper()
	if inner, ok := strings.CutPrefix(path, module+"internal/"); ok {
		if !slices.Contains(row.internal, inner) && !slices.Contains(row.internal, "all") {
			t.Errorf("%s imports internal/%s, which ARCHITECTURE.md does not allow", name, inner)
		}
		return
	}
	for _, library := range bound {
		if strings.Contains(path, library) && !slices.Contains(row.libraries, library) && !slices.Contains(row.internal, "all") {
			t.Errorf("%s imports %s, which ARCHITECTURE.md gives to another package", name, path)
		}
	}
}

// TestCoreIsPure checks that the core imports nothing that starts, waits, reads the
// clock or touches the outside.
func TestCoreIsPure(t *testing.T) {
	forbidden := []string{"context", "log", "log/slog", "net", "net/http", "os", "sync", "io/fs", "os/signal", "os/exec"}
	for path, imports := range goList(t) {
		name := strings.TrimPrefix(path, module+"internal/")
		if !slices.Contains(coreImports, name) {
			continue
		}
		for _, i := range imports {
			if slices.Contains(forbidden, i) {
				t.Errorf("core package %s imports %s", name, i)
			}
		}
	}
}

// goList returns the imports of the module's packages, tests left out.
func goList(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./internal/...", "./cmd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p.Imports
	}
	return packages
}
