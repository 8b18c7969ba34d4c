package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/demo"
)

// looked is a page of the demo, and what it must say.
type looked struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Has  []string `json:"has,omitempty"`
}

// TestDemoInChromium looks at all pages of the demo in a real browser: before anything goes wrong, when everything has, and when it is over. What
// a newcomer must understand is there in words: what is wrong with the fraud model, since when, and where.
func TestDemoInChromium(t *testing.T) {
	folder := os.Getenv("STREAMMON_PAGES")
	if folder == "" {
		t.Skip("STREAMMON_PAGES does not name test/pages with its packages installed: no browser")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	few := map[string]any{"widths": []int{1440}, "schemes": []string{"light"}}
	for _, c := range []struct {
		name  string
		skip  time.Duration
		until []string // what the first page says when it has come so far
		job   map[string]any
		pages []looked
	}{
		{"quiet", 0, []string{"features drifted"}, few, []looked{
			{"overview", "/", []string{`Models fraud .* 0 of 14 features drifted performance ok ROC AUC`}},
			{"drift", "/model?name=fraud", []string{`amount ok PSI`}},
			{"amount", "/feature?name=fraud&feature=amount", []string{`Nothing moved beyond its threshold`, `the median: 3\d\.?\d* in the reference, 3`}},
		}},
		{"wrong", 5*time.Minute + 15*time.Second, []string{"in country = US only", ">error ratio</a> of fraud 7 changed at"}, map[string]any{"keyboard": true, "live": true, "plain": true, "zoom": "/feature?name=fraud&feature=amount"}, []looked{
			{"overview", "/", []string{
				`worse Answers of fraud 7 are worse since \d\d:\d\d: ROC AUC 0\.\d+, the reference has 0\.7\d+ \(limit 0\.\d+\), worst in country = `,
				`drift amount of fraud 7 drifted since \d\d:\d\d: median \+1\.\d σ, PSI \d(\.\d+)? over 0\.1\d*, in all 5 segments`,
				`drift merchant of fraud 7 drifted since \d\d:\d\d: categories that the reference does not have make`,
				`drift device_score of fraud 7 drifted since \d\d:\d\d: missing or invalid \d.* % → \d.* %, .* in country = US only`,
				`changed error ratio of fraud 7 changed at \d\d:\d\d`,
			}},
			{"service", "/model?name=fraud&tab=service", []string{`errors \d`, `Latency, ms`, `error ratio Page-Hinkley`}},
			{"data", "/model?name=fraud&tab=data", []string{`drift device_score of fraud 7 drifted since \d\d:\d\d: missing or invalid \d.* % → \d.* %`}}, // all traffic drifts later, its row says so then
			{"drift", "/model?name=fraud&tab=drift", []string{`Verdicts over time`, `amount drift \d\d:\d\d median \+1`}},
			{"performance", "/model?name=fraud&tab=performance", []string{`ROC AUC over time`, `Calibration`, `Confusion matrix`, `By segment`}},
			{"segment", "/model?name=fraud&tab=drift&segment=country%3DUS&window=5m", []string{`device_score drift`}},
			{"amount", "/feature?name=fraud&feature=amount", []string{`drift amount of fraud 7 drifted since`, `What moved`, `Jensen–Shannon distance`, `8, all traffic`}},
			{"merchant", "/feature?name=fraud&feature=merchant", []string{`not in the reference`, `unseen categories`}},
			{"shop", "/model?name=recommendations&tab=performance", []string{`NDCG at 10`}},
			{"status", "/status", []string{`balanced`, `fraud\.labels`, `The config in force`}},
		}},
		{"recovered", 13 * time.Minute, []string{"0 of 14 features drifted"}, few, []looked{
			{"overview", "/", []string{`Models fraud .* 0 of 14 features drifted`}},
			{"drift", "/model?name=fraud", []string{`amount ok PSI`}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			tour, _ := demo.Find("tour")
			l, full, done := listen(t), make(chan struct{}), make(chan error, 1)
			go func() {
				done <- Demo(ctx, DemoOptions{Scenario: tour, Rate: 25, Seed: 1, Skip: c.skip, Listener: l, Logger: testLogger(t), Say: func(format string, args ...any) {
					if strings.HasPrefix(format, "windows are full") {
						close(full)
					}
				}})
			}()
			select {
			case <-full:
			case err := <-done:
				t.Fatalf("ended: %v", err)
			}
			missing := func() bool {
				page := get(t, "http://"+l.Addr().String()+"/")
				return slices.ContainsFunc(c.until, func(text string) bool { return !strings.Contains(page, text) })
			}
			for missing() && ctx.Err() == nil {
				time.Sleep(200 * time.Millisecond)
			}
			job := map[string]any{"base": "http://" + l.Addr().String(), "out": folder + "/shots/" + c.name, "chromium": chromium, "pages": c.pages}
			for k, v := range c.job {
				job[k] = v
			}
			in, err := json.Marshal(job)
			if err != nil {
				t.Fatal(err)
			}
			browser := exec.CommandContext(ctx, "node", folder+"/check.mjs")
			browser.Stdin = bytes.NewReader(in)
			out, err := browser.CombinedOutput()
			fmt.Printf("%s: %s", c.name, out)
			if err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
