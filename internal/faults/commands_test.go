package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// command runs a command to its end and returns what it says, on one line what is said of one thing: a
// terminal obeys none of it, nor shows another order than that of the characters.
func command(t *testing.T, lines int, args ...string) (said string, err error) {
	t.Helper()
	p := start(t, nil, args...)
	err = p.wait(t, 30*time.Second)
	said = p.log.String()
	noPanic(t, p)
	for line := range strings.Lines(said) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%s prints what is not printable: %.300q", strings.Join(args[:2], " "), line)
		}
	}
	if n := strings.Count(said, "\n"); lines > 0 && n != lines {
		t.Errorf("%s prints %d lines, want %d:\n%.3000s", strings.Join(args[:2], " "), n, lines, said)
	}
	return said, err
}

// TestHostileNamesInCommands prints hostile names of training data, versions and configs.
func TestHostileNamesInCommands(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, rows ...map[string]any) string {
		var text []byte
		for _, r := range rows {
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(text, b...), '\n')
		}
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var rows [2][]map[string]any
	for kind := range rows {
		for i := range 2_000 {
			row := map[string]any{}
			for k, n := range hostileNames {
				row[n] = hostileNames[(i+k)%(3+kind)+40*kind]
			}
			rows[kind] = append(rows[kind], row)
		}
	}
	var profiles [2]string
	for kind, r := range rows {
		profiles[kind] = filepath.Join(dir, fmt.Sprintf("\x1b[31m%d.profile.json", kind))
		input := file(fmt.Sprintf("\x1b[31mnew\nline%d.jsonl", kind), r...)
		if said, err := command(t, len(hostileNames)+3, "profile", "build", "--input="+input, "--output="+profiles[kind]); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if said, err := command(t, len(hostileNames)+4, "profile", "show", profiles[kind]); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	if said, err := command(t, 0, "profile", "diff", profiles[0], profiles[1]); err != nil || strings.Count(said, " psi ") != len(hostileNames) {
		t.Errorf("%v\n%s", err, said)
	}
	if _, err := command(t, 1, "profile", "show", filepath.Join(dir, "\x1b]0;none\x07")); err == nil {
		t.Error("there is no such profile")
	}
}

// TestHostileNamesInSummary replays events of versions with hostile names, all of which drift.
func TestHostileNamesInSummary(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var training, events []byte
	for i := range 1_000 {
		training = fmt.Appendf(training, `{"features":{"\u202egnp.exe":%d}}`+"\n", i)
	}
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for i, n := range hostileNames {
		for range 300 {
			at = at.Add(200 * time.Millisecond)
			b, err := json.Marshal(map[string]any{"time": at.UnixMilli(), "version": n, "features": map[string]any{"\u202egnp.exe": 5000 + i}})
			if err != nil {
				t.Fatal(err)
			}
			events = append(append(events, b...), '\n')
		}
	}
	config := write("c.yaml", []byte(`{"kafka": {"brokers": ["b:1"]}, "windows": ["1m"], "models": [{"name": "<\u202em", "topics": {"predictions": "p"}, "reference": "p.json", "features": {"\u202egnp.exe": "numeric"}}]}`))
	if said, err := command(t, 2, "profile", "build", "--config.file="+config, "--input="+write("t.jsonl", training), "--output="+filepath.Join(dir, "p.json")); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	said, err := command(t, len(hostileNames)+2, "replay", "--config.file="+config, "--input="+write("e.jsonl", events))
	if err != nil || strings.Count(said, "psi") != len(hostileNames) {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := command(t, 4, "check", config); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestHostileConfig has names that a config may not have: each is refused on a line of its own, by line and path.
func TestHostileConfig(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	for _, n := range append([]string{"", "__other__", strings.Repeat("x", 257)}, hostileNames...) {
		j, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		illegal := n == "" || n == "__other__" || len(n) > 256 || strings.ContainsFunc(n, unicode.IsControl)
		for place, text := range map[string]string{
			"model":   `{name: %[1]s, topics: {predictions: p}, features: {f: numeric}}`,
			"feature": `{name: m, topics: {predictions: p}, features: {%[1]s: numeric}}`,
			"segment": `{name: m, topics: {predictions: p}, features: {f: numeric}, segments: [{name: %[1]s, values: [a]}]}`,
			"value":   `{name: m, topics: {predictions: p}, features: {f: numeric}, segments: [{name: s, values: [%[1]s]}]}`,
		} {
			if err := os.WriteFile(name, fmt.Appendf(nil, "kafka: {brokers: [\"b:1\"]}\nmodels:\n  - "+text+"\n", j), 0o600); err != nil {
				t.Fatal(err)
			}
			refused := illegal || place == "segment" && strings.Contains(n, "=")
			said, err := command(t, 0, "check", name)
			if refused != (err != nil) || refused && (!strings.Contains(said, "c.yaml:3:") || strings.Count(said, "\n") != 2) {
				t.Errorf("%s %.60q: %v\n%s", place, n, err, said)
			}
		}
	}
}

// TestHostileNamesInInit samples a topic of hostile names: what is written is a config that check takes,
// with all names that a config may have, or says of how many models it knows no more than the name.
func TestHostileNamesInInit(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	client := b.Client(t)
	for i := range 500 {
		features, segments := map[string]any{}, map[string]any{}
		for k, n := range hostileNames {
			features[n] = hostileNames[(i+k)%3]
			if k%2 == 0 {
				features[n] = i + k
			}
			segments[n] = hostileNames[(i+k)%4]
		}
		n := hostileNames[i%len(hostileNames)]
		value, err := json.Marshal(map[string]any{"time": 1780315200000 + i, "id": fmt.Sprint(i), "model": n, "version": n, "features": features, "segments": segments, "prediction": map[string]any{"score": 0.5, "label": hostileNames[i%2]}})
		if err != nil {
			t.Fatal(err)
		}
		client.Produce(t.Context(), &kgo.Record{Topic: topic, Value: value}, nil)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if said, err := command(t, 2, "init", "--brokers="+b.Bootstrap[0], "--topic="+topic, "--output="+config); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("the config has what is not printable: %.300q", line)
		}
	}
	said, err := command(t, 0, "check", config)
	if err != nil || !strings.Contains(said, fmt.Sprintf("%d features", len(legal(hostileNames))+2)) {
		t.Errorf("%v\n%s\n%s", err, said, text)
	}
}
