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
	for text, want := range map[string]string{
		"registry: https://me:hunter2@example.org/x":              "registry: https://" + hidden + "@example.org/x",
		"registry: https://me:hun@ter2@example.org/x?to=a@b":      "registry: https://" + hidden + "@example.org/x?to=a@b", // the last one of the host ends it
		"[http://me:hunter2@a.example, http://you:hunter3@b.org]": "[http://" + hidden + "@a.example, http://" + hidden + "@b.org]",
	} {
		if got := redact(text); got != want {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}
