package web

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

// page is one that test/pages/check.mjs looks at, and what it must say.
type page struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Has  []string `json:"has,omitempty"`
}

// TestNaughtyNamesInChromium: in a real browser, too, names are only text: no dialog, no report of the policy, no request elsewhere.
func TestNaughtyNamesInChromium(t *testing.T) {
	folder := os.Getenv("STREAMMON_PAGES")
	if folder == "" {
		t.Skip("STREAMMON_PAGES does not name test/pages with its packages installed: no browser")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	name := naughty[1] + naughty[0] + naughty[2] + naughty[4] + naughty[11] + naughty[14] + naughty[16]
	n := names{name, name, "country=" + name, name, name + " ", name, name}
	address, stop := serve(t, at(full(n), time.Second), "")
	job, err := json.Marshal(map[string]any{"base": "http://" + address, "out": folder + "/shots/naughty", "chromium": chromium, "widths": []int{375}, "schemes": []string{"light"}, "pages": []page{
		{"overview", "/", nil}, {"status", "/status", nil},
		{"drift", link("/model", "name", name), nil}, {"data", link("/model", "name", name, "tab", "data"), nil},
		{"performance", link("/model", "name", name, "tab", "performance"), nil},
		{"feature", link("/feature", "name", name, "feature", name), nil}, {"category", link("/feature", "name", name, "feature", name+" "), nil},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", folder+"/check.mjs")
	c.Stdin = bytes.NewReader(job)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
