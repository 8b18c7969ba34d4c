package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutputTail reads the end of what is there before anything is written, and of what was kept.
func TestOutputTail(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(name, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &output{name: name, prompt: true}
	for _, c := range []struct {
		length int64
		most   int
		want   string
	}{{8, 4, "two\n"}, {8, 100, "one\ntwo\n"}, {14, 6, "three\n"}, {15, 6, ""}, {0, 6, ""}} {
		if got, err := o.Tail(c.length, c.most); err != nil || string(got) != c.want {
			t.Errorf("%d of %d: %q, %v, want %q", c.most, c.length, got, err, c.want)
		}
	}
	if _, err := o.Resume(8); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("four\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Tail(13, 5); err != nil || string(got) != "four\n" {
		t.Errorf("after a write: %q, %v", got, err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := (&output{name: "-", stdout: &strings.Builder{}}).Tail(1, 1); err != nil || got != nil {
		t.Errorf("of standard output: %q, %v", got, err)
	}
}
