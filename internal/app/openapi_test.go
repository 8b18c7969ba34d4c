package app

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/web"
)

// openAPI is the description of the API, as its readers see it.
type openAPI struct {
	Paths map[string]struct {
		Get struct {
			Parameters []struct{ Name, In string }
			Responses  map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
	}
	Components struct{ Schemas map[string]map[string]any }
}

func readOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	d := &openAPI{}
	if err := json.Unmarshal(web.OpenAPI, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// check returns what is wrong with a value that should be as a schema says; nothing is allowed that the schema does not name.
func (d *openAPI) check(at string, schema map[string]any, v any) (wrong []string) {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		if d.Components.Schemas[name] == nil {
			return []string{at + ": there is no schema " + ref}
		}
		return d.check(at, d.Components.Schemas[name], v)
	}
	if some, ok := schema["anyOf"].([]any); ok {
		var all []string
		for _, one := range some {
			w := d.check(at, one.(map[string]any), v)
			if len(w) == 0 {
				return nil
			}
			all = append(all, w...)
		}
		return all
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		wrong = append(wrong, fmt.Sprintf("%s: %v is not one of %v", at, v, enum))
	}
	switch x := v.(type) {
	case string:
		wrong = append(wrong, wantType(at, schema, "string")...)
		if _, err := time.Parse(time.RFC3339Nano, x); schema["format"] == "date-time" && (err != nil || !strings.HasSuffix(x, "Z")) {
			wrong = append(wrong, at+": "+x+" is not a time in UTC")
		}
	case bool:
		wrong = append(wrong, wantType(at, schema, "boolean")...)
	case float64:
		if schema["type"] != "integer" || x != math.Trunc(x) {
			wrong = append(wrong, wantType(at, schema, "number")...)
		}
		if least, ok := schema["minimum"].(float64); ok && x < least {
			wrong = append(wrong, fmt.Sprintf("%s: %g is less than %g", at, x, least))
		}
	case []any:
		wrong = append(wrong, wantType(at, schema, "array")...)
		if n, ok := schema["minItems"].(float64); ok && float64(len(x)) != n {
			wrong = append(wrong, fmt.Sprintf("%s: %d items", at, len(x)))
		}
		items, _ := schema["items"].(map[string]any)
		for i, item := range x {
			wrong = append(wrong, d.check(fmt.Sprintf("%s[%d]", at, i), items, item)...)
		}
	case map[string]any:
		wrong = append(append(wrong, wantType(at, schema, "object")...), d.checkObject(at, schema, x)...)
	default:
		wrong = append(wrong, fmt.Sprintf("%s: is %v", at, v))
	}
	return wrong
}

func wantType(at string, schema map[string]any, kind string) []string {
	if schema["type"] != kind {
		return []string{fmt.Sprintf("%s: is of type %s, not %v", at, kind, schema["type"])}
	}
	return nil
}

func (d *openAPI) checkObject(at string, schema, v map[string]any) (wrong []string) {
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := v[key.(string)]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s: has no %v", at, key))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for key, value := range v {
		if p, ok := properties[key].(map[string]any); ok {
			wrong = append(wrong, d.check(at+"."+key, p, value)...)
		} else if more, ok := schema["additionalProperties"].(map[string]any); ok {
			wrong = append(wrong, d.check(at+"."+key, more, value)...)
		} else if properties != nil || schema["additionalProperties"] == false {
			wrong = append(wrong, at+": has "+key+", of which the description does not tell")
		}
	}
	return wrong
}

// text checks JSON against a schema of a name.
func (d *openAPI) text(t *testing.T, what string, schema map[string]any, text []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, text)
	}
	for i, w := range d.check("answer", schema, v) {
		if i < 5 {
			t.Errorf("%s: %s", what, w)
		}
	}
}

// address checks what an address of the API answers against the description of its path.
func (d *openAPI) address(t *testing.T, server, path, address string) string {
	t.Helper()
	p, ok := d.Paths[path]
	if !ok {
		t.Fatalf("the description has no path %s", path)
	}
	text := get(t, server+address)
	d.text(t, address, p.Get.Responses["200"].Content["application/json"].Schema, []byte(text))
	return text
}

// checkAPI compares what a monitor with the demo's models answers with the description, path by path.
func checkAPI(t *testing.T, server string) {
	d := readOpenAPI(t)
	d.address(t, server, "/api/v1/models", "/api/v1/models")
	d.address(t, server, "/api/v1/status", "/api/v1/status")
	d.address(t, server, "/api/v1/openapi.json", "/api/v1/openapi.json")
	d.address(t, server, "/api/v1/report", "/api/v1/report?model=fraud")
	d.address(t, server, "/api/v1/report", "/api/v1/report")
	const window, history = "/api/v1/models/{model}/windows/{window}", "/api/v1/models/{model}/windows/{window}/history"
	for _, name := range []string{"fraud/windows/5m", "fraud/windows/1h", "recommendations/windows/1h", "fraud/windows/none"} {
		d.address(t, server, window, "/api/v1/models/"+name)
		columns := d.address(t, server, history, "/api/v1/models/"+name+"/history")
		if want := `{"feature":"amount","figure":"psi"}`; strings.HasPrefix(name, "fraud/windows/5") && !strings.Contains(columns, want) {
			t.Errorf("the history has no column %s:\n%.500s", want, columns)
		}
	}
	for _, query := range []string{"figure=psi&feature=amount", "figure=quantile&feature=amount&at=0.5&version=7", "figure=requests_per_second&segment=country%3DDE", "figure=roc_auc"} {
		text := d.address(t, server, history, "/api/v1/models/fraud/windows/5m/history?"+query)
		if n := strings.Count(text, `"value":`); n < 100 {
			t.Errorf("%s: %d points of an hour and more", query, n)
		}
	}
}

// TestOpenAPIRefuses: the check itself finds what is wrong.
func TestOpenAPIRefuses(t *testing.T) {
	d := readOpenAPI(t)
	right := `{"model":"m","version":"1","segment":"","window":"1h","start":"2026-11-22T10:00:00Z","end":"2026-11-22T11:00:00Z","complete":true,"events":1,"service":{}`
	for _, c := range []struct{ more, want string }{
		{``, ""},
		{`,"performance":{"accuracy":0.5,"gain":{"0.1":1},"state":"worse"}`, ""},
		{`,"performance":{"accuracy":"high"}`, "accuracy"},
		{`,"performance":{"state":"drift"}`, "not one of"},
		{`,"color":"red"`, "does not tell"},
		{`,"features":[{"name":"x","type":"numeric","count":-1,"missing":0,"invalid":0}]`, "less than 0"},
		{`,"features":[{"name":"x","type":"numeric","count":1.5,"missing":0,"invalid":0}]`, "number"},
		{`,"features":[{"name":"x","type":"numeric","missing":0,"invalid":0}]`, "has no count"},
		{`,"changes":[{"figure":"x","detectors":{"adwin":{"state":"change","found":"yesterday"}}}]`, "not a time"},
		{`,"drifted_importance_ratio":null`, "is <nil>"},
	} {
		var v any
		if err := json.Unmarshal([]byte(right+c.more+"}"), &v); err != nil {
			t.Fatal(err)
		}
		wrong := strings.Join(d.check("result", d.Components.Schemas["Result"], v), "\n")
		if (wrong == "") != (c.want == "") || !strings.Contains(wrong, c.want) {
			t.Errorf("%s: %q, want %q", c.more, wrong, c.want)
		}
	}
}
