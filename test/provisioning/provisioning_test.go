// Package provisioning checks files for Grafana against the types that Grafana publishes.
package provisioning

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-openapi-client-go/models"
)

const folder = "../../deploy/grafana/provisioning/alerting"

// parse reads a file strictly: a key that the published type does not have is an error, and so is what it forbids.
func parse(t *testing.T, name string) *models.AlertingFileExport {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := decode(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

func decode(data []byte) (*models.AlertingFileExport, error) {
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	f := &models.AlertingFileExport{}
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	if f.APIVersion != 1 {
		return nil, fmt.Errorf("apiVersion is %d", f.APIVersion)
	}
	return f, f.Validate(strfmt.Default)
}

var singleDollar = regexp.MustCompile(`(?:^|[^$])(?:\$\$)*\$(?:[^$]|$)`)

// TestRules: rules have what Grafana asks for, and their titles and uids are told apart.
func TestRules(t *testing.T) {
	uids, titles := map[string]bool{}, map[string]bool{}
	n := 0
	for _, g := range parse(t, "rules.yaml").Groups {
		if g.Folder == "" || g.Name == "" || g.OrgID != 1 {
			t.Errorf("group %+v", g)
		}
		for _, r := range g.Rules {
			n++
			if uids[r.UID] || titles[r.Title] || r.UID == "" || len(r.UID) > 40 || r.Title == "" {
				t.Errorf("the uid %q or the title %q is there twice, empty or too long", r.UID, r.Title)
			}
			uids[r.UID], titles[r.Title] = true, true
			checkRule(t, r)
		}
	}
	if n < 20 {
		t.Errorf("only %d rules", n)
	}
}

func checkRule(t *testing.T, r *models.AlertRuleExport) {
	t.Helper()
	if len(r.Data) != 2 || r.Data[0].RefID != "A" || r.Data[1].RefID != "B" || r.Condition != "B" || r.Data[0].DatasourceUID == "" || r.Data[1].DatasourceUID != "__expr__" {
		t.Errorf("%s: queries %+v, condition %s", r.Title, r.Data, r.Condition)
	}
	for _, d := range []string{r.For, r.KeepFiringFor} {
		if _, err := time.ParseDuration(d); err != nil {
			t.Errorf("%s: %v", r.Title, err)
		}
	}
	for _, key := range []string{"summary", "description", "dashboard_url", "runbook_url"} {
		if r.Annotations[key] == "" {
			t.Errorf("%s has no %s", r.Title, key)
		}
	}
	if r.Labels["severity"] == "" || r.Labels["level"] == "" {
		t.Errorf("%s has the labels %v", r.Title, r.Labels)
	}
	// A dollar sign stands for a variable of the environment, unless it is doubled.
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if m := singleDollar.Find(text); m != nil {
		t.Errorf("%s has a single dollar sign: %s", r.Title, m)
	}
	if !strings.Contains(string(text), "$$values.A.Value") {
		t.Errorf("%s does not tell its value", r.Title)
	}
}

// TestPoliciesNameContactPoints: each receiver of a policy is there, and each severity has a policy.
func TestPoliciesNameContactPoints(t *testing.T) {
	points := map[string]bool{}
	for _, p := range parse(t, "contact-points.yaml").ContactPoints {
		points[p.Name] = len(p.Receivers) > 0
		for _, r := range p.Receivers {
			if r.UID == "" || r.Type == "" || r.Settings == nil {
				t.Errorf("the contact point %s has the receiver %+v", p.Name, r)
			}
		}
	}
	severities := map[string]string{}
	for _, p := range parse(t, "policies.yaml").Policies {
		if !points[p.Receiver] {
			t.Errorf("there is no contact point %q", p.Receiver)
		}
		for _, r := range p.Routes {
			if !points[r.Receiver] {
				t.Errorf("there is no contact point %q", r.Receiver)
			}
			for _, m := range r.ObjectMatchers {
				if len(m) == 3 && m[0] == "severity" && m[1] == "=" {
					severities[m[2]] = r.Receiver
				}
			}
		}
	}
	for severity, receiver := range map[string]string{"page": "pager", "ticket": "tickets", "info": "chat"} {
		if severities[severity] != receiver {
			t.Errorf("%s goes to %q", severity, severities[severity])
		}
	}
}

// TestTemplates: there is no published type of a file of templates; its items are those of the API.
func TestTemplates(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(folder, "templates.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		APIVersion int `json:"apiVersion"`
		Templates  []struct {
			OrgID int `json:"orgId"`
			models.NotificationTemplate
		} `json:"templates"`
	}
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if file.APIVersion != 1 || len(file.Templates) != 1 || !strings.Contains(file.Templates[0].Template, `define "streammon.title"`) {
		t.Errorf("templates are %+v", file)
	}
}

// TestUnknownKeys: the check can fail.
func TestUnknownKeys(t *testing.T) {
	for _, text := range []string{
		"apiVersion: 1\ngroups: [{name: a, rules: [{keepFiring: 1m}]}]", "apiVersion: 1\nrules: []",
		"apiVersion: 1\ngroups: [{name: a, rules: [{title: 5}]}]", "groups: []", "apiVersion: 1\npolicies: [{receiver: a, routes: [{recipient: b}]}]",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("taken:\n%s", text)
		}
	}
}
