package exporter

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// row is how docs/metrics.md lists a metric.
func (m *metric) row() string {
	kind := "gauge"
	if m.kind == counter {
		kind = "counter"
	}
	labels := ""
	if len(m.labels) > 0 {
		labels = "`" + strings.Join(m.labels, "`, `") + "`"
	}
	return strings.ReplaceAll(fmt.Sprintf("| `streammon_%s` | %s | %s | %s |", m.name, kind, labels, m.help), "|  |", "| |")
}

func TestDocsListEveryMetric(t *testing.T) {
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(docs)) {
		if strings.HasPrefix(line, "| `streammon_") {
			listed[strings.TrimSpace(line)] = true
		}
	}
	for _, m := range catalogue() {
		if !listed[m.row()] {
			t.Errorf("not listed:\n%s", m.row())
		}
		delete(listed, m.row())
	}
	for line := range listed {
		t.Errorf("listed, but there is no such metric:\n%s", line)
	}
}
