package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParse checks that any bytes give a config or violations that can be shown.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && len(data) < 4096 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("testdata/good/f.yaml", data)
		var v Violations
		if errors.As(err, &v) == (c != nil) || err != nil && len(v) == 0 {
			t.Fatalf("gave %v and %v", c, err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for i, v := range v {
			if v.Line > lines || v.Line > 0 && v.Column < 1 || strings.ContainsAny(v.Error(), "\n\r\x00\x1b") || v.Message == "" {
				t.Errorf("violation %d of a file of %d lines: %q", i, lines, v.Error())
			}
		}
		if c != nil {
			checkConfig(t, c)
		}
	})
}

// checkConfig checks what the other packages rely on.
func checkConfig(t *testing.T, c *Config) {
	if len(c.Kafka.Brokers) == 0 || len(c.Models) == 0 || len(c.Windows) == 0 || time.Minute%c.Pane != 0 {
		t.Fatalf("a config that is not whole: %+v", c)
	}
	for _, w := range c.Windows {
		if w.Length < c.Pane || w.Length%slide(w.Length, c.Pane) != 0 {
			t.Errorf("window %+v", w)
		}
	}
	for i := range c.Models {
		m := &c.Models[i]
		if m.Name == "" || m.Topics.Predictions == "" || m.Task == "" || !slices.Contains(m.Drift.Statistics, m.Drift.DecideBy) {
			t.Errorf("model %+v", m)
		}
		for _, f := range m.AllFeatures() {
			if f.Name == "" || f.Type != "numeric" && f.Type != "categorical" || f.Importance <= 0 {
				t.Errorf("feature %+v", f)
			}
		}
	}
}

// TestHostile reads files that are made to take long, or the whole stack. Each must be
// refused in a time that a person waits.
func TestHostile(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, 1<<18/len(s)) }
	var keys, steps strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&keys, "key%d: 1\n", i)
	}
	for i := range 1000 {
		fmt.Fprintf(&steps, "%sa:\n", strings.Repeat(" ", i))
	}
	for name, text := range map[string]string{
		"ten megabytes": strings.Repeat("a: 1\n", 2<<20),
		"nothings":      "[" + strings.Repeat("{a},", 12000) + "]", "nothings of a mapping": "{" + strings.Repeat("a,", 20000) + "}",
		"scalars": "models: [" + strings.Repeat("a,", 49000) + "]", "nothings of a list": strings.Repeat("-\n", 20000),
		"keys": keys.String(), "steps": steps.String(), "brackets": fill("["), "braces": fill("{"), "dashes": fill("- "),
		"questions": fill("? "), "anchors": fill("&a "), "tags": fill("!a "), "colons": fill("a: "), "quotes": fill(`"`), "single": fill("'"),
		"lines": fill("\n"), "spaces": fill(" "), "comments": fill("#\n"), "headers": fill("---\n"), "commas": "[" + fill(",")[2:] + "]",
		"items": "models: [" + fill("a,")[20:] + "]", "blockitems": fill("- a\n"), "folded": "a: >\n" + fill("  x\n")[8:], "text": fill("x"),
		"escapes": `a: "` + fill(`\x41`)[8:] + `"`, "alternating": fill("[{"), "keyless": fill(": "), "unknown": "kafka: {" + fill("x: 1, ")[12:] + "}",
		"flow colons": "{" + fill("a:b,")[4:] + "}", "pipes": fill("|\n"), "multiline": "a: " + fill("x\n  ")[4:], "crs": fill("\r"),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			v := violationsOf(t, text)
			if len(v) > maxViolations+1 {
				t.Errorf("%d violations", len(v))
			}
			t.Logf("%d bytes in %s: %s", len(text), time.Since(begin), v[0].Error())
		})
	}
}

// TestLoad reads what is no config file.
func TestLoad(t *testing.T) {
	if _, err := Load("testdata/nowhere.yaml"); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "load config: open testdata/nowhere.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Load("testdata"); err == nil || !strings.HasPrefix(err.Error(), "load config: read testdata") {
		t.Errorf("a folder: %v", err)
	}
	name := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(name, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name); err == nil || err.Error() != name+": the file is larger than 4 MiB" {
		t.Errorf("a large file: %v", err)
	}
}

// TestLoadForProfile checks that only the reference may be missing.
func TestLoadForProfile(t *testing.T) {
	c, err := LoadForProfile("testdata/bad/model-reference-missing.yaml")
	if err != nil || c.Models[0].Reference.File != "testdata/bad/nowhere.profile.json" {
		t.Errorf("gave %+v, %v", c, err)
	}
	if _, err := LoadForProfile("testdata/bad/model-task.yaml"); err == nil {
		t.Error("a misspelt task is no violation")
	}
}

// TestSecrets checks that no message shows a secret.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		`password: "$hunter2"`, `password: [hunter2]`, `password: "hunter2${NO_SUCH_VARIABLE}"`, "password: \"hunter2\\t\"",
		`password: ` + strings.Repeat("hunter2", 1000), `password: hunter2, password_file: x`, `password: hunter2, pasword: 1`,
	} {
		v := violationsOf(t, "kafka: {brokers: [\"a:1\"], sasl: {mechanism: PLAIN, username: me, "+text+"}}\nmodels: [{name: m, topics: {predictions: p}}]\n")
		if strings.Contains(v.Error(), secret) {
			t.Errorf("%s: %v", text, v)
		}
	}
}

// TestSecretsInAnyForm: whatever the form and however it is broken, what follows the key of a secret
// is in no message.
func TestSecretsInAnyForm(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"password: |hunter2", "password: >hunter2", "password: |2hunter2", "password: |hunter2\n      x", "password: >-\n      hunter2\n     hunter2x: 1",
		"password: |\nhunter2", "password: |\n  hunter2: 1", "password:\n    hunter2", "password:\n    hunter2: hunter2", "password:\n    - hunter2: 1",
		"password:hunter2", "password=hunter2", "password = hunter2", "password : hunter2 : hunter2", "\"password\":hunter2", "'password' : {hunter2: hunter2}",
		"password: \"hunter2", "password: \"hunter2\nhunter2\"x: hunter2", "password: 'x\nhunter2: 1'", "password: \"\\qhunter2\"", "password: \"\\hunter2\"",
		"password: &hunter2 x", "password: *hunter2", "password: !hunter2 x", "password: !!hunter2 x", "password: @hunter2", "password: `hunter2", "password: %hunter2",
		"? password\n    : hunter2", "password: a, hunter2", "password: a\n      hunter2: 1", "password: x\n      - hunter2", "password: [hunter2, {hunter2: 1}",
		"{password: a, hunter2}", "{password: a,hunter2: 1}", "{password: a, hunter2, b: 1", "{password\n      : a, hunter2}", "{password: [a, hunter2]}", "{password: a,\n      hunter2: 1}",
		"pasword: hunter2: 1", "passwd: {hunter2: 1, [}", "passphrase: |hunter2", "Password: |hunter2", "PASSWORD: >hunter2", "secret: |hunter2",
		"mechanism: PLAIN\n      password = hunter2", "username: me\n      password: hunter2", "password: 7, 1234567: 8", "password:\t|hunter2", "password: |\r\n hunter2: hunter2\r\n",
		"password: x # hunter2\n      hunter2: 1", "password: - hunter2", "password: --- hunter2", "password: ? hunter2", "password: |-hunter2", "password: |hunter2 # x",
	} {
		for _, frame := range []string{"kafka:\n  brokers: [\"a:1\"]\n  sasl:\n    %s\n    username: me\n", "kafka: {brokers: [\"a:1\"], sasl: {%s, username: me}}\n"} {
			file := fmt.Sprintf(frame, text) + "models: [{name: m, topics: {predictions: p}}]\n"
			_, err := Parse("f.yaml", []byte(file))
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "1234567")) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

// TestManySecrets: a hostile file takes no time that grows with its square.
func TestManySecrets(t *testing.T) {
	for _, line := range []string{"pass: ", "pass: \"", "pass:'\n ", "pass:\n", "secret= |\n\n  x\n"} {
		begin := time.Now()
		text := strings.Repeat(line, maxFileBytes/len(line)/8) + strings.Repeat("\n x", maxFileBytes/24)
		if n := len(findSecrets(text)); n == 0 || time.Since(begin) > 10*time.Second {
			t.Errorf("%q: %d in %s", line, n, time.Since(begin))
		}
	}
}

// TestBesideSecrets: what is not of a secret is shown, also near one.
func TestBesideSecrets(t *testing.T) {
	_, err := Parse("f.yaml", []byte("kafka:\n  sasl:\n    password: x\n    usrname: me\n    mechanism: PLAN\n  brokers: [\"a\"]\nmodels: [{name: m, topics: {predictions: p}}]\n"))
	for _, want := range []string{"f.yaml:4:5: kafka.sasl.usrname: unknown key", `did you mean "username"?`, `"PLAN" is not one of`, `"a" where a broker`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("kafka: {brokers: [\"a:1\"]}\nmodels:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "- name: m%d\n  topics: {predictions: p%d}\n  features:\n", i, i)
		for k := range 100 {
			fmt.Fprintf(&text, "    feature_%d: {type: numeric, importance: 2}\n", k)
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Parse("f.yaml", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}
