package config

import (
	"os"
	"strings"
	"testing"
)

// TestTextHasNoSecrets: however a secret is written, what is shown of the file does not have it, and variables are not replaced.
func TestTextHasNoSecrets(t *testing.T) {
	t.Setenv("PAGES_WORD", "from-the-environment")
	const secret = "hunter2"
	for _, sasl := range []string{
		"{mechanism: PLAIN, username: u, password: hunter2, insecure: true}",
		"\n    mechanism: PLAIN\n    username: u\n    insecure: true\n    password: \"hunter2\"",
		"\n    mechanism: PLAIN\n    username: u\n    insecure: true\n    password: >-\n      hunter2\n      hunter2",
		"\n    \"password\" : 'hunter2'\n    mechanism: PLAIN\n    username: u\n    insecure: true",
		"\n    # password: hunter2\n    password: ${PAGES_WORD}\n    mechanism: PLAIN\n    username: u\n    insecure: true",
	} {
		text := "kafka:\n  brokers: [localhost:9092]\n  group: g\n  sasl: " + sasl + "\nwindows: [5m]\nmodels: [{name: m, topics: {predictions: p}, features: {x: numeric}}]\n"
		c, err := Parse(t.TempDir()+"/c.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", sasl, err)
			continue
		}
		got := c.Text()
		if strings.Contains(got, secret) || strings.Contains(got, os.Getenv("PAGES_WORD")) {
			t.Errorf("of %s this is shown:\n%s", sasl, got)
		}
		for _, want := range []string{"brokers: [localhost:9092]", "windows: [5m]", "features: {x: numeric}"} {
			if !strings.Contains(got, want) {
				t.Errorf("of %s %q is not shown:\n%s", sasl, want, got)
			}
		}
	}
	if got := redact("registry: https://me:hunter2@example.org/x"); got != "registry: https://"+hidden+"@example.org/x" {
		t.Error(got)
	}
}
