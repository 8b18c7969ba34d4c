package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func keysOf[T any](path string, fields []field[T]) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = path + f.key
	}
	return keys
}

// allKeys are the keys of a config, in the order of the documentation.
func allKeys() []string {
	const model = "models[]."
	return slices.Concat(
		keysOf("", topKeys), keysOf("kafka.", kafkaKeys), keysOf("kafka.tls.", tlsKeys), keysOf("kafka.sasl.", saslKeys),
		keysOf("state.", stateKeys), keysOf("dead_letters.", deadLetterKeys), keysOf("limits.", limitKeys), keysOf("alerts.", alertKeys), keysOf(model, modelKeys), keysOf(model+"topics.", topicKeys),
		keysOf(model+"reference.", referenceKeys), keysOf(model+"labels.", labelKeys), keysOf(model+"cost.", costKeys), keysOf(model+"fairness.", fairnessKeys),
		keysOf(model+"performance.", verdictKeys), keysOf(model+"features.NAME.", featureKeys),
		keysOf(model+"segments[].", segmentKeys), keysOf(model+"drift.", driftKeys), keysOf(model+"changes[].", changeKeys), keysOf(model+"alerts.", modelAlertKeys), keysOf(model+"features.NAME.alerts.", featureAlertKeys), keysOf(model+"mapping.", mappingKeys),
		keysOf(model+"mapping.errors.", errorKeys),
	)
}

func documentation(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocumentedKeys compares the rows of the documentation with the keys that are read, in both directions.
func TestDocumentedKeys(t *testing.T) {
	documented := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_A-Z.\\[\\]]+)` \\|[^|]+\\|[^|]*\\|[^|]*\\|$")
	for _, m := range row.FindAllStringSubmatch(documentation(t), -1) {
		documented[m[1]] = true
	}
	keys := allKeys()
	for _, k := range keys {
		if !documented[k] {
			t.Errorf("the key %s is not documented", k)
		}
	}
	for k := range documented {
		if !slices.Contains(keys, k) {
			t.Errorf("there is no key %s", k)
		}
	}
}

// TestDocumentedStatistics checks that each statistic is documented with both names.
func TestDocumentedStatistics(t *testing.T) {
	text := documentation(t)
	for _, s := range statistics {
		want := "| `" + s.short + "` | `" + s.name + "` |"
		if s.short == s.name {
			want = "| `" + s.short + "` | |"
		}
		if !strings.Contains(text, want) {
			t.Errorf("the documentation lacks %s", want)
		}
	}
}

// TestDocumentedExamples reads the examples of the documentation.
func TestDocumentedExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(documentation(t), -1)
	if len(examples) < 5 {
		t.Errorf("only %d examples", len(examples))
	}
	changes, err := os.ReadFile("../../docs/changes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(changes), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	for _, f := range figures {
		if !strings.Contains(string(changes), "`"+f.name+"`") {
			t.Errorf("docs/changes.md lacks %s", f.name)
		}
	}
	for _, d := range detectors {
		if !strings.Contains(string(changes), "| `"+d.name+"` |") {
			t.Errorf("docs/changes.md lacks %s", d.name)
		}
	}
	for _, m := range append(examples, []string{"", example}) {
		text := strings.ReplaceAll(m[1], "fraud.profile.json", "testdata/good/fraud.profile.json")
		if _, err := Parse("docs.yaml", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}

// TestEveryKey checks that the config with every key has every key, but the one that this
// version refuses, and the one that excludes another.
func TestEveryKey(t *testing.T) {
	text := strings.Join(everyKey(t), "\n")
	for _, k := range allKeys() {
		key := k[strings.LastIndex(k, ".")+1:]
		if key != "learn" && key != "password_file" && !regexp.MustCompile(`\b`+key+`:`).MatchString(text) {
			t.Errorf("testdata/good/every-key.yaml lacks %s", k)
		}
	}
}

// TestPerformanceKeys: each key says which tasks it is for, here and in the documentation, which names the deciding figures.
func TestPerformanceKeys(t *testing.T) {
	text := documentation(t)
	for i, f := range performanceKeys {
		if len(performanceTasks) != len(performanceKeys) || !slices.ContainsFunc(performanceTasks, func(k keyTasks) bool { return k.key == f.key }) {
			t.Errorf("key %d, %s, is for no task", i, f.key)
		}
	}
	for _, k := range performanceTasks {
		tasks := strings.Join(k.tasks, ", ")
		if len(k.tasks) == len(decidingFigures) {
			tasks = "all but none"
		}
		if want := "| `" + k.key + "` | " + tasks + " |"; !strings.Contains(text, want) {
			t.Errorf("the documentation lacks %s", want)
		}
	}
	for task, names := range decidingFigures {
		if want := task + ": `" + strings.Join(names, "`, `") + "`"; !strings.Contains(strings.ToLower(text), want) {
			t.Errorf("the documentation lacks %s", want)
		}
	}
}
